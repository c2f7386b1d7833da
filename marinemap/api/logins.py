"""How often a wrong password may be tried from one address."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponse, HttpResponseBase
from django.urls import reverse

from marinemap.api.address import address_of

_MOST_WRONG = 10
_WITHIN_SECONDS = 15 * 60
# Of so many addresses it is kept; the oldest are forgotten first.
_MOST_ADDRESSES = 10_000


class LoginLimitMiddleware:
    """Refuse to look at passwords from an address that has sent too many wrong ones.

    Kept in the memory of the web server, of which a site has one: nothing to clean up, and a
    restart forgives.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer, unless this would be one attempt too many."""
        if request.method != "POST" or request.path != reverse("admin:login"):
            return self._get_response(request)
        address = address_of(request)
        begun = time.monotonic()
        # Counted before it is looked at: many at once are as many.
        if self._count(address, begun) > _MOST_WRONG:
            return HttpResponse(
                "Too many wrong passwords from your address; try again in 15 minutes.",
                status=429,
                content_type="text/plain",
                headers={"Retry-After": str(_WITHIN_SECONDS)},
            )
        response = self._get_response(request)
        if response.status_code == 302:
            self._forget(address)
        return response

    def _count(self, address: str, now: float) -> int:
        with self._lock:
            recent = [t for t in self._wrong.pop(address, []) if now - t < _WITHIN_SECONDS]
            if len(recent) <= _MOST_WRONG:
                recent.append(now)
            self._wrong[address] = recent
            while len(self._wrong) > _MOST_ADDRESSES:
                self._wrong.popitem(last=False)
            return len(recent)

    def _forget(self, address: str) -> None:
        with self._lock:
            self._wrong.pop(address, None)
