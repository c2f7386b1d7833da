"""The addresses of the API, as its routes declare them."""

from __future__ import annotations

from collections.abc import Iterator

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import path, re_path
from django.views.decorators.csrf import csrf_exempt

from marinemap.api.declarations.serving import serve
from marinemap.api.problems import NotFoundError
from marinemap.api.routes import all_routes
from marinemap.errors import did_you_mean, quote
from marinemap.sentences import say

app_name = "api"
# A longer path is no slip of the pen.
_MOST_MEANT = 200


@csrf_exempt
def not_found(request: HttpRequest, path: str = "") -> HttpResponseBase:
    """Answer an address under ``/api/`` that means nothing."""
    like = _addresses_like(path) if len(path) <= _MOST_MEANT else ()
    root = request.path.removesuffix(path)
    nearest = did_you_mean(request.path, [f"{root}{each}" for each in like])
    if nearest:
        told = say("there is nothing at this address.{nearest}", nearest=nearest)
    else:
        told = say("there is nothing at this address; GET /api/ lists what there is")
    raise NotFoundError(told, value=request.path)


def _addresses_like(path: str) -> Iterator[str]:
    """Yield addresses that differ from a path by slips of the pen, or a slash at its end."""
    parts = path.strip("/").split("/")
    for route in all_routes():
        names = route.path.strip("/").split("/")
        meant = [
            quote(own) if name.startswith("{") else name
            for name, own in zip(names, parts, strict=False)
        ]
        pairs = zip(parts, meant, strict=False)
        if len(names) == len(parts) and all(a == b or did_you_mean(a, [b]) for a, b in pairs):
            yield "/".join(meant)


urlpatterns = [
    *(path(route.to_django(), serve(route), name=route.name) for route in all_routes()),
    re_path(r"^(?P<path>.*)$", not_found),
]
