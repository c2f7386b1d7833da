"""Letters about a request: who may ask for them, in which language, and where they are stopped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from marinemap.api.access import Access
from marinemap.api.conf import letters_go_to
from marinemap.api.declarations import Answer, Document, Operation, Parameter, Route
from marinemap.api.declarations.documents import PRIVATE
from marinemap.api.declarations.serving import FORM
from marinemap.api.problems import NotFoundError
from marinemap.errors import RequestError
from marinemap.jobs.correspondence import Correspondent
from marinemap.jobs.letter_texts import LANGUAGES
from marinemap.mail import recipients
from marinemap.mail.models import Recipient
from marinemap.sentences import say

_EMAIL = "notify.email"
NOTIFY: dict[str, Any] = {
    "type": "object",
    "description": "Who gets a letter by e-mail when this has ended, and before its files go.",
    "required": ["email"],
    "properties": {
        "email": {"type": "string", "maxLength": 254, "description": "One address."},
        "language": {
            "type": "string",
            "enum": list(LANGUAGES),
            "description": "Of the letters; by default that of Accept-Language.",
        },
    },
    "additionalProperties": False,
}
_LETTERS = Parameter(
    "letters",
    {"type": "string", "enum": ["stopped", "sent"], "default": "stopped"},
    "Whether letters are sent from now on.",
)
_STATE = {
    "type": "object",
    "required": ["letters", "links"],
    "properties": {
        "letters": {"type": "string", "enum": ["sent", "stopped"]},
        "description": {"type": "string"},
        "links": {"type": "array", "items": {"type": "object", "required": ["href"]}},
    },
}
_SAID = {
    "sent": _("This site writes to your address when somebody gives it with a request."),
    "stopped": _("This site writes no letters to your address any more."),
}
_BUTTONS = {"sent": _("Send me letters again"), "stopped": _("Send me no more letters")}


def correspondent_of(
    request: HttpRequest, notify: Mapping[str, str] | None
) -> Correspondent | None:
    """Return whom a request asks to write to; None where it does not.

    Raises
    ------
    RequestError
        If the site does not send letters, or not to that address.
    """
    if notify is None:
        return None
    _check_site()
    recipient = recipients.check_recipient(notify["email"], _EMAIL)
    if letters_go_to() == "signed-in":
        _check_own(request, notify["email"])
    if recipients.is_stopped(recipient):
        raise RequestError(
            say("whoever reads the letters of this address has asked for no more of them"),
            field=_EMAIL,
            value=notify["email"],
            hint=say("The link in an earlier letter leads to where that is undone."),
        )
    language = notify.get("language") or request.LANGUAGE_CODE
    api = request.build_absolute_uri(reverse("api:landing"))
    return Correspondent(recipient, language, api)


def letters_of(request: HttpRequest) -> dict[str, str] | None:
    """Tell whether whoever asks may have letters: None if not, else with their address.

    It is empty where any address may be given.
    """
    to = letters_go_to()
    own = getattr(request.user, "email", "") if request.user.is_authenticated else ""
    if to == "signed-in" and own:
        return {"address": own}
    return {} if to == "anyone" else None


def state(request: HttpRequest, key: str) -> Document:
    """Answer whether letters are sent to whoever has the key; looking changes nothing.

    Programs that look through mail follow its links, so a person presses a button.
    """
    return _document(request, _recipient(key))


def change(request: HttpRequest, key: str, letters: str) -> Document:
    """Send no more letters, or send them again; who has the key was written to."""
    found = _recipient(key)
    if letters == "stopped":
        recipients.stop(found)
    else:
        recipients.resume(found)
    return _document(request, _recipient(key))


def _check_site() -> None:
    if letters_go_to() == "nobody":
        raise RequestError(
            say("this site sends no letters"),
            field="notify",
            hint=say(
                "Leave it out and look at the job, or have it told to a program by 'subscriber'."
            ),
        )


def _check_own(request: HttpRequest, given: str) -> None:
    if not request.user.is_authenticated:
        raise RequestError(
            say("this site writes only to people who have signed in"),
            field=_EMAIL,
            value=given,
            hint=say("Sign in, or leave 'notify' out."),
        )
    own = getattr(request.user, "email", "")
    if own.lower() != given.lower():
        raise RequestError(
            say("this site writes to people at the address of their account only")
            if own
            else say(
                "this site writes to people at the address of their account only, and yours has "
                "none"
            ),
            field=_EMAIL,
            value=given,
            hint=say("Give that address, or ask the operator to change it."),
        )


def _recipient(key: str) -> Recipient:
    found = recipients.find(key) if "\0" not in key else None
    if found is None:
        raise NotFoundError(say("there is no such link"), field="key", hint=say("Copy it whole."))
    return found


def _document(request: HttpRequest, found: Recipient) -> Document:
    letters, other = ("stopped", "sent") if found.stopped_at else ("sent", "stopped")
    body = {"letters": letters, "description": _SAID[letters], "links": []}
    return Document(
        _("Letters to you"),
        body,
        cache_control=PRIVATE,
        # What follows the link gets no key from the address.
        headers={"Referrer-Policy": "no-referrer"},
        picture=lambda: format_html(
            '<form method="post" action="?letters={}"><button>{}</button></form>',
            other,
            _BUTTONS[other],
        ),
    )


_ANSWERS = {200: Answer("Whether letters are sent", _STATE)}

ROUTES = (
    Route(
        "letters",
        "/letters/{key}",
        (
            Operation(
                "GET",
                "getLetters",
                "Whether letters are sent to you",
                state,
                "Jobs",
                (FORM,),
                answers=_ANSWERS,
                access=Access.OPEN,
            ),
            Operation(
                "POST",
                "changeLetters",
                "Have no more letters sent to you, or have them sent again",
                change,
                "Jobs",
                (_LETTERS,),
                answers=_ANSWERS,
                access=Access.OPEN,
            ),
        ),
        (Parameter("key", {"type": "string"}, "What the link in a letter ends with.", "path"),),
    ),
)
