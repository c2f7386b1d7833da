"""Whose stream ends before its time: with the token, the session or the person that began it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar
from uuid import UUID

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.utils import timezone

from marinemap.api.tokens import current_tokens


@dataclass(frozen=True)
class SignIn:
    """Who signed in, and by what; nobody, where a stream is a browser's own.

    ``password`` is a digest of the password with which the session was begun.
    """

    user_id: int | None = None
    token_id: UUID | None = None
    session_key: str | None = None
    password: str | None = None


class Watched(Protocol):
    """What is told of to who signed in."""

    sign_in: SignIn


AnyWatched = TypeVar("AnyWatched", bound=Watched)


def sign_in_of(request: HttpRequest) -> SignIn:
    """Return who signed in, and by what a request shows it."""
    # As tokens.TokenMiddleware found it: beside a token cookies count for nothing.
    token_id = vars(request).get("token_id")
    if request.user.pk is None or token_id is not None or SESSION_KEY not in request.session:
        return SignIn(request.user.pk, token_id)
    session = request.session
    return SignIn(request.user.pk, None, session.session_key, session.get(HASH_SESSION_KEY))


def refused(watches: Sequence[AnyWatched]) -> list[AnyWatched]:
    """Return those whose token or session is over, or whose person may no longer sign in so.

    A token is revoked, a person signs out, takes another password, or is barred.
    """
    shown = [each.sign_in for each in watches]
    users = _active({each.user_id for each in shown if each.user_id is not None})
    tokens = _current({each.token_id for each in shown if each.token_id is not None})
    sessions = _open({each.session_key for each in shown if each.session_key is not None})

    def stands(sign_in: SignIn) -> bool:
        user = None if sign_in.user_id is None else users.get(sign_in.user_id)
        return (
            (sign_in.user_id is None or user is not None)
            and (sign_in.token_id is None or sign_in.token_id in tokens)
            and (sign_in.session_key is None or sign_in.session_key in sessions)
            and (sign_in.password is None or user is None or _knows(user, sign_in.password))
        )

    return [each for each in watches if not stands(each.sign_in)]


def _knows(user: User, password: str) -> bool:
    """Tell whether a session's digest is that of the password, under any key of the site."""
    return password in (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())


def _active(users: set[int]) -> dict[int, User]:
    return User.objects.filter(is_active=True).in_bulk(users) if users else {}


def _current(tokens: set[UUID]) -> set[UUID]:
    current = current_tokens().filter(pk__in=tokens)
    return set(current.values_list("pk", flat=True)) if tokens else set()


def _open(keys: set[str]) -> set[str]:
    sessions = Session.objects.filter(pk__in=keys, expire_date__gt=timezone.now())
    return set(sessions.values_list("pk", flat=True)) if keys else set()
