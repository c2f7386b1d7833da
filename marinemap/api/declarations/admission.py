"""Large bodies are taken a few at a time, before they are read.

To parse 5 MB of JSON takes a tenth of a second, in which Python does nothing else. Fifty at once
kept everybody waiting for seconds, and most of them were refused afterwards.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.http import HttpRequest

from marinemap.errors import UnavailableError
from marinemap.sentences import say

# An area of some 2,000 corners; it is parsed in a millisecond.
_LARGE_BYTES = 64 * 1024
# As many as may be looked at or wait for that (``processes.apart``): half of the server's threads.
_AT_A_TIME = 4
_admitted = threading.Semaphore(_AT_A_TIME)


@contextmanager
def admitted(request: HttpRequest) -> Iterator[None]:
    """Keep one of the few places for large bodies, if that of a request is one.

    Raises
    ------
    UnavailableError
        If all are taken.
    """
    if not _is_large(request):
        yield
        return
    if not _admitted.acquire(blocking=False):
        raise UnavailableError(
            say("many large requests are being looked at just now"),
            hint=say("Try again in a few seconds."),
        )
    try:
        yield
    finally:
        _admitted.release()


def _is_large(request: HttpRequest) -> bool:
    # Django reads no more than this, and nothing where it is missing.
    length = request.META.get("CONTENT_LENGTH") or "0"
    return length.isdecimal() and int(length) > _LARGE_BYTES
