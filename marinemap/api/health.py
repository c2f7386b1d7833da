"""How the site is, for monitors and load balancers."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from marinemap.jobs.health import health_of_site


@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """Answer how the site is: 200 while it answers at all, with what is amiss in ``status``."""
    found = health_of_site()
    return _uncached(JsonResponse(found, status=503 if found["status"] == "down" else 200))


@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """Answer whether what is asked now will be done now: 200, or 503 with what is amiss."""
    found = health_of_site()
    response = _uncached(JsonResponse(found, status=200 if found["status"] == "ok" else 503))
    if response.status_code == 503:
        response.headers["Retry-After"] = "30"
    return response


def _uncached(response: HttpResponse) -> HttpResponse:
    response.headers["Cache-Control"] = "no-store"
    return response
