"""Links of the documents, as the OGC standards name them."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

OGC = "http://www.opengis.net/def/rel/ogc/1.0/"
JSON = "application/json"
GEOJSON = "application/geo+json"


def link(
    request: HttpRequest,
    rel: str,
    view: str,
    *arguments: object,
    type_: str = JSON,
    title: str | None = None,
    query: str = "",
) -> dict[str, Any]:
    """Return a link to one of the API's own addresses, by the name of its route."""
    href = request.build_absolute_uri(reverse(f"api:{view}", args=arguments))
    found = {"href": href + query, "rel": rel, "type": type_}
    return found | ({"title": title} if title else {})


def own_links(request: HttpRequest, view: str, *arguments: object) -> list[dict[str, Any]]:
    """Return the links of a document within another, as it has them by itself."""
    return [
        link(request, "self", view, *arguments, title="As JSON"),
        link(
            request,
            "alternate",
            view,
            *arguments,
            type_="text/html",
            title="As HTML",
            query="?f=html",
        ),
    ]
