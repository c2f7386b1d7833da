"""The header ``Idempotency-Key``: by which a request that is sent again is known."""

from __future__ import annotations

import hashlib

from django.http import HttpRequest

from marinemap.api.identity import owners_of, scope_of_keys
from marinemap.jobs.owners import Sender
from marinemap.jobs.repeats import KeyedRequest


def keyed_request(
    request: HttpRequest, key: str | None, what: str, sender: Sender
) -> KeyedRequest | None:
    """Return a request by its key, None where it has none.

    Parameters
    ----------
    request : HttpRequest
    key : str, optional
    what : str
        What is asked for: a process, or a batch.
    sender : Sender
        See ``identity.sender_or_new``.
    """
    if key is None:
        return None
    digest = hashlib.sha256(request.body).hexdigest()
    scope = scope_of_keys(request, sender)
    return KeyedRequest(key, f"{what} {digest}", scope, owners_of(request))
