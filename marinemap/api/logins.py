"""How often a wrong password may be tried from one address."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpRequest
from django.http.response import HttpResponse, HttpResponseBase
from django.urls import reverse

from marinemap.api.address import address_of

_MOST_WRONG = 10
_WITHIN_SECONDS = 15 * 60
# Of so many addresses it is kept; the oldest are forgotten first.
_MOST_ADDRESSES = 10_000
_MOST_OF_A_NAME = 150


@dataclass
class _Attempt:
    """A password that was sent: when, and for whom if it was wrong."""

    at: float
    name: str = ""


class LoginLimitMiddleware:
    """Refuse to look at passwords from an address that has sent too many wrong ones.

    Who then sends their right one is forgiven their own wrong ones, and none for other people.

    Kept in the memory of the web server, of which a site has one: nothing to clean up, and a
    restart forgives.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response
        self._wrong: OrderedDict[str, list[_Attempt]] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer, unless this would be one attempt too many."""
        if request.method != "POST" or request.path != reverse("admin:login"):
            return self._get_response(request)
        address = address_of(request)
        attempt = _Attempt(time.monotonic())
        # Counted before it is looked at: many at once are as many.
        if self._count(address, attempt) > _MOST_WRONG:
            return HttpResponse(
                "Too many wrong passwords from your address; try again in 15 minutes.",
                status=429,
                content_type="text/plain",
                headers={"Retry-After": str(_WITHIN_SECONDS)},
            )
        response = self._get_response(request)
        if response.status_code in (200, 302):
            # Django has read the form by then.
            attempt.name = request.POST.get("username", "")[:_MOST_OF_A_NAME]
        if response.status_code == 302:
            self._forget(address, attempt.name)
        return response

    def _count(self, address: str, attempt: _Attempt) -> int:
        since = attempt.at - _WITHIN_SECONDS
        with self._lock:
            recent = [each for each in self._wrong.pop(address, []) if each.at > since]
            if len(recent) <= _MOST_WRONG:
                recent.append(attempt)
            self._wrong[address] = recent
            while len(self._wrong) > _MOST_ADDRESSES:
                self._wrong.popitem(last=False)
            return len(recent)

    def _forget(self, address: str, name: str) -> None:
        with self._lock:
            others = [each for each in self._wrong.get(address, []) if each.name != name]
            if others:
                self._wrong[address] = others
            else:
                self._wrong.pop(address, None)
