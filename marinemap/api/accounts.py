"""A person's own tokens: listed, made, revoked; for who has signed in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from marinemap.api.access import SCOPES, Access
from marinemap.api.bodies import read_body
from marinemap.api.declarations import Answer, Body, Document, Operation, Parameter, Route
from marinemap.api.declarations.documents import PRIVATE
from marinemap.api.declarations.serving import FORM
from marinemap.api.identity import is_id, refuse_cross_site
from marinemap.api.links import LINKS
from marinemap.api.models import PersonalToken
from marinemap.api.problems import NotFoundError
from marinemap.api.tokens import MOST_TOKENS, make_token
from marinemap.sentences import say

_TOKEN_ID = Parameter("tokenId", {"type": "string"}, "The id of a token.", "path")
_TEXT = {"type": "string"}
_MOMENT = {"type": "string", "format": "date-time"}
_SCOPES = {
    "type": "array",
    "items": {"type": "string", "enum": list(SCOPES)},
    "minItems": 1,
    "maxItems": len(SCOPES),
    "description": "; ".join(f"{name}: {words}" for name, words in SCOPES.items()),
}
_NEW = Body(
    {
        "type": "object",
        "required": ["name", "scopes"],
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 100},
            "scopes": _SCOPES,
            "days": {"type": "integer", "minimum": 1, "maximum": 3650, "default": 365},
        },
        "additionalProperties": False,
    },
    "What the token is called, what it is good for, and for how many days.",
    {"name": "QGIS at home", "scopes": ["layers:read", "jobs:read"], "days": 90},
)
_SHOWN = {
    "type": "object",
    "required": ["id", "name", "scopes", "created"],
    "properties": {
        "id": _TEXT,
        "name": _TEXT,
        "scopes": _SCOPES,
        "beginsWith": _TEXT,
        "created": _MOMENT,
        "expires": _MOMENT,
        "lastUsed": _MOMENT,
        "token": {"type": "string", "description": "The token itself: told this once."},
    },
}
_LIST = {
    "type": "object",
    "required": ["tokens", "links"],
    "properties": {
        "tokens": {"type": "array", "items": _SHOWN},
        "links": LINKS,
    },
}


def tokens(request: HttpRequest) -> Document:
    """List the tokens of whoever has signed in; what they are is told of none."""
    found = PersonalToken.objects.filter(user=_person(request))[:MOST_TOKENS]
    listed = [_described(token) for token in found]
    return Document(_("Your tokens"), {"tokens": listed, "links": []}, cache_control=PRIVATE)


def make(request: HttpRequest) -> Document:
    """Make a token; its text is in this answer and nowhere else."""
    refuse_cross_site(request)
    asked = read_body(request, _NEW)
    expires_at = timezone.now() + timedelta(days=asked.get("days", 365))
    token, text = make_token(_person(request), asked["name"], asked["scopes"], expires_at)
    body = _described(token) | {"token": text}
    return Document(_("Token"), body, status=201, cache_control=PRIVATE)


def revoke(request: HttpRequest, token_id: str) -> Document:
    """Revoke a token: from now on it is none."""
    refuse_cross_site(request)
    own = PersonalToken.objects.filter(user=_person(request))
    token = own.filter(pk=token_id).first() if is_id(token_id) else None
    if token is None:
        raise NotFoundError(say("you have no such token"), field="tokenId", value=token_id)
    body = _described(token)
    token.delete()
    return Document(_("Token"), body, cache_control=PRIVATE)


def _person(request: HttpRequest) -> User:
    user = request.user
    # What the operation's access has seen to.
    assert isinstance(user, User)
    return user


def _described(token: PersonalToken) -> dict[str, Any]:
    body = {
        "id": str(token.pk),
        "name": token.name,
        "scopes": token.scopes,
        "beginsWith": token.begins_with,
        "created": token.created_at.isoformat(),
        "expires": token.expires_at.isoformat() if token.expires_at else None,
        "lastUsed": token.last_used_at.isoformat() if token.last_used_at else None,
    }
    return {name: value for name, value in body.items() if value is not None}


ROUTES = (
    Route(
        "tokens",
        "/tokens",
        (
            Operation(
                "GET",
                "getTokens",
                "Your tokens",
                tokens,
                "Account",
                (FORM,),
                answers={200: Answer("The tokens", _LIST)},
                access=Access.ACCOUNT,
            ),
            Operation(
                "POST",
                "makeToken",
                "Make a token",
                make,
                "Account",
                body=_NEW,
                answers={201: Answer("The token", _SHOWN)},
                access=Access.ACCOUNT,
            ),
        ),
    ),
    Route(
        "token",
        "/tokens/{tokenId}",
        (
            Operation(
                "DELETE",
                "revokeToken",
                "Revoke a token",
                revoke,
                "Account",
                answers={200: Answer("The token that was", _SHOWN)},
                access=Access.ACCOUNT,
            ),
        ),
        (_TOKEN_ID,),
    ),
)
