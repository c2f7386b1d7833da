"""What an operation is about, and what a token must be good for to use it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from django.http import HttpRequest

from marinemap.errors import RequestError
from marinemap.sentences import say

# What a token may be good for, in the words of its maker.
SCOPES: Mapping[str, str] = {
    "layers:read": "see the layers of your groups, not only those of everyone",
    "jobs:read": "see your jobs and fetch their results",
    "jobs:write": "ask for jobs in your name, and cancel them",
}


class Access(Enum):
    """Whose business an operation is; each operation of the API declares it.

    Layers are looked up for whoever asks (``identity.viewer_of``), jobs among their own
    (``identity.get_job``): who may not see one is answered as if it were not there.
    """

    OPEN = "for everyone alike, but for the layers that it names"
    LAYERS = "for who may see the layer"
    READ_JOBS = "for the owner of a job"
    WRITE_JOBS = "for who makes or owns a job"
    ACCOUNT = "for a person who has signed in, and no token of theirs"


_NEEDED = {Access.READ_JOBS: "jobs:read", Access.WRITE_JOBS: "jobs:write"}


class TokenRefusedError(RequestError):
    """The token is unknown, over or revoked."""

    headers = {"WWW-Authenticate": 'Bearer realm="MarineMap", error="invalid_token"'}


class ScopeError(RequestError):
    """The token is not good for this."""


class SignInNeededError(RequestError):
    """Only a person who has signed in may do this."""


def check_access(request: HttpRequest, access: Access) -> None:
    """Refuse what the token of a request is not good for.

    Raises
    ------
    ScopeError
        Naming the scope that it lacks.
    SignInNeededError
        If only a person may do it.
    """
    # Set by tokens.TokenMiddleware, next to the user that it stands for.
    scopes = vars(request).get("token_scopes")
    needed = _NEEDED.get(access)
    if scopes is not None and needed is not None and needed not in scopes:
        raise ScopeError(
            say(
                "this token is not good for '{needed}': to {allowed}",
                needed=needed,
                allowed=SCOPES[needed],
            ),
            field="Authorization",
            hint=say("Make a token with this scope."),
        )
    if access is Access.ACCOUNT and (scopes is not None or not is_signed_in(request)):
        raise SignInNeededError(
            say("this is for a person who has signed in, and not for a token"),
            hint=say("Sign in, or ask an administrator, who makes tokens at /admin/."),
        )


def is_signed_in(request: HttpRequest) -> bool:
    """Tell whether a person sent a request, by a session or by a token of theirs."""
    user = getattr(request, "user", None)
    return user is not None and user.is_authenticated
