"""Links of the documents, as the OGC standards name them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

OGC = "http://www.opengis.net/def/rel/ogc/1.0/"
JSON = "application/json"
GEOJSON = "application/geo+json"
# The links of a document, in its schema.
LINKS = {"type": "array", "items": {"type": "object", "required": ["href"]}}
# Made once: a list has hundreds of them.
_AS_JSON, _AS_HTML = _("As JSON"), _("As HTML")


class ToFeature(dict[str, Any]):
    """A link among what a layer's data hold: a value that looks like one is none."""


class Asker(Protocol):
    """Who is given links: a request, or what is known of one that is still being answered."""

    def build_absolute_uri(self, location: str) -> str:
        """Return an address of the site as the client needs it."""


def link(
    request: Asker,
    rel: str,
    view: str,
    *arguments: object,
    type_: str = JSON,
    title: StrOrPromise | None = None,
    query: str = "",
) -> dict[str, Any]:
    """Return a link to one of the API's own addresses, by the name of its route."""
    href = request.build_absolute_uri(reverse(f"api:{view}", args=arguments))
    found: dict[str, Any] = {"href": href + query, "rel": rel, "type": type_}
    return found | ({"title": title} if title else {})


def own_links(request: Asker, view: str, *arguments: object) -> list[dict[str, Any]]:
    """Return the links of a document within another, as it has them by itself."""
    return [
        link(request, "self", view, *arguments, title=_AS_JSON),
        link(
            request,
            "alternate",
            view,
            *arguments,
            type_="text/html",
            title=_AS_HTML,
            query="?f=html",
        ),
    ]
