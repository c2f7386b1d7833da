"""The addresses of the API, as its routes declare them."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import path, re_path
from django.views.decorators.csrf import csrf_exempt

from marinemap.api.declarations.serving import serve
from marinemap.api.problems import NotFoundError
from marinemap.api.routes import all_routes
from marinemap.sentences import say

app_name = "api"


@csrf_exempt
def not_found(request: HttpRequest, path: str = "") -> HttpResponseBase:
    """Answer an address under ``/api/`` that means nothing."""
    raise NotFoundError(
        say("there is nothing at this address; GET /api/ lists what there is"), value=request.path
    )


urlpatterns = [
    *(path(route.to_django(), serve(route), name=route.name) for route in all_routes()),
    re_path(r"^(?P<path>.*)$", not_found),
]
