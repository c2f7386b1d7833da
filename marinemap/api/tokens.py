"""Personal tokens: made, found, and taken in place of a session (RFC 6750)."""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from marinemap.api.access import SCOPES, TokenRefusedError
from marinemap.api.models import PersonalToken
from marinemap.api.problems import problem_response
from marinemap.errors import RequestError
from marinemap.processes.values import unknown
from marinemap.sentences import say

logger = logging.getLogger(__name__)

# Known by its beginning to whoever searches files and logs for secrets.
_PREFIX = "mmt_"
_TEXT = re.compile(rf"{_PREFIX}[A-Za-z0-9_-]{{43}}")
_SHOWN = len(_PREFIX) + 4
# The last use is kept to the minute: a map asks for a hundred tiles at once.
_USE_KEPT_EVERY = timedelta(minutes=1)
MOST_TOKENS = 50


def make_token(
    user: User, name: str, scopes: Sequence[str], expires_at: datetime | None = None
) -> tuple[PersonalToken, str]:
    """Make a token; return it with its text, which nobody can tell again.

    Raises
    ------
    RequestError
        If there is no such scope, the name cannot be shown, the person has a token of that name, or
        as many as may be.
    """
    for scope in scopes:
        if scope not in SCOPES:
            raise unknown(scope, SCOPES, say("there is no scope"), "scopes")
    check_name(name)
    own = PersonalToken.objects.filter(user=user)
    if own.filter(name=name).exists():
        raise _name_taken(name)
    if own.count() >= MOST_TOKENS:
        raise RequestError(
            say("there are {most} tokens, as many as one may have", most=MOST_TOKENS),
            field="name",
            hint=say("Revoke one that is no longer used."),
        )
    text = f"{_PREFIX}{secrets.token_urlsafe(32)}"
    token = PersonalToken(
        user=user,
        name=name,
        digest=_digest(text),
        begins_with=text[:_SHOWN],
        # In one order, each once.
        scopes=[scope for scope in SCOPES if scope in scopes],
        expires_at=expires_at,
    )
    try:
        with transaction.atomic():
            token.save(force_insert=True)
    except IntegrityError as error:
        # Another of this name came at the same time.
        if not own.filter(name=name).exists():
            raise
        raise _name_taken(name) from error
    return token, text


def _name_taken(name: str) -> RequestError:
    return RequestError(
        say("there is a token of this name"),
        field="name",
        value=name,
        hint=say("Revoke it first."),
    )


def check_name(name: str) -> None:
    """Refuse a name of a token that cannot be shown.

    Raises
    ------
    RequestError
    """
    if not name.strip() or not name.isprintable():
        raise RequestError(
            say("a name has letters that can be shown, on one line"), field="name", value=name
        )


def find_token(text: str) -> PersonalToken:
    """Return the token of a text, and note that it was used.

    Raises
    ------
    TokenRefusedError
        If it is none, is over, or its person may no longer sign in: the answer is the same.
    """
    # Looked up by a digest: how long that takes tells nothing of other tokens.
    found = current_tokens().filter(digest=_digest(text)) if _is_text(text) else None
    token = found.select_related("user").first() if found is not None else None
    if token is None:
        raise TokenRefusedError(
            say("this token is unknown, over or revoked"),
            field="Authorization",
            hint=say("Make a new one, or leave the header out to ask as everyone."),
        )
    _note_use(token, timezone.now())
    return token


def current_tokens() -> QuerySet[PersonalToken]:
    """Return the tokens that are not over, of those who may sign in."""
    is_current = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    return PersonalToken.objects.filter(is_current, user__is_active=True)


class TokenMiddleware:
    """Take who shows a token for the person that it stands for, on the API alone.

    A token is shown on purpose, other than a cookie, which a browser shows by itself: with one,
    session and cookies of a request count for nothing.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer as to the token's person; 401 where there is none."""
        shown = request.headers.get("Authorization", "")
        scheme, _, text = shown.partition(" ")
        # Other schemes are the affair of a server in front.
        if scheme.lower() == "bearer" and request.path.startswith("/api/"):
            try:
                token = find_token(text.strip())
            except Exception as error:
                # Beyond the reach of the middleware that answers a view's errors.
                return problem_response(request, error)
            request.user = token.user
            vars(request)["token_scopes"] = frozenset(token.scopes)
            vars(request)["token_id"] = token.pk
        elif _TEXT.search(shown) and request.path.startswith("/api/"):
            # As everyone they would see other jobs and fewer layers, and not know why.
            return problem_response(request, _without_scheme())
        return self._get_response(request)


def _without_scheme() -> TokenRefusedError:
    return TokenRefusedError(
        say("a token is shown with the word Bearer before it"),
        field="Authorization",
        hint=say("Send Authorization: Bearer mmt_..."),
    )


def _is_text(text: str) -> bool:
    return _TEXT.fullmatch(text) is not None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _note_use(token: PersonalToken, now: datetime) -> None:
    if token.last_used_at is not None and now - token.last_used_at < _USE_KEPT_EVERY:
        return
    try:
        PersonalToken.objects.filter(pk=token.pk).update(last_used_at=now)
    except DatabaseError:
        # A courtesy: who only reads is answered by a database that can only be read, too.
        logger.warning("The use of token %s could not be noted", token.pk, exc_info=True)
