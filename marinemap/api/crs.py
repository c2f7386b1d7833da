"""The coordinate systems that an extract can be had in, searched by name, place or code."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from marinemap.api.access import Access
from marinemap.api.declarations import Answer, Document, Operation, Parameter, Route
from marinemap.api.declarations.serving import FORM
from marinemap.api.links import LINKS
from marinemap.errors import RequestError
from marinemap.extraction import search_crs
from marinemap.sentences import say

_TEXT = Parameter(
    "q",
    {"type": "string", "default": "", "maxLength": 100},
    "Words of a name, a place or a code, or their beginnings, without regard to case and accents.",
)
_BBOX = Parameter(
    "bbox",
    {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4},
    "West, south, east, north in degrees: those that are made for all of it come first. West may "
    "lie beyond east, across 180.",
)
_LIMIT = Parameter(
    "limit",
    {"type": "integer", "minimum": 1, "maximum": 100, "default": 10},
    "At most so many.",
    clamps=True,
)
_CRS = {
    "type": "object",
    "required": ["id", "title", "place", "bbox"],
    "properties": {
        "id": {"type": "string", "description": "To be given as the crs of an extract."},
        "title": {"type": "string"},
        "place": {"type": "string", "description": "What it is made for."},
        "bbox": {"type": "array", "items": {"type": "number"}},
        "fits": {"type": "boolean", "description": "Whether it is made for all of the bbox."},
    },
}
_FOUND = {
    "type": "object",
    "required": ["crs", "links"],
    "properties": {"crs": {"type": "array", "items": _CRS}, "links": LINKS},
}
_MOST_LONGITUDE, _MOST_LATITUDE = 180, 90


def search(request: HttpRequest, q: str, bbox: list[float] | None, limit: int) -> Document:
    """List what has the words of a text, what fits a place first."""
    bounds = None if bbox is None else _checked(bbox)
    listed = [
        {
            "id": f"EPSG:{each.code}",
            "title": each.name,
            "place": each.place,
            "bbox": list(each.bounds_4326),
        }
        | ({} if bounds is None else {"fits": each.covers(bounds)})
        for each in search_crs(q, bounds, limit)
    ]
    return Document(_("Coordinate systems"), {"crs": listed, "links": []})


def _checked(bbox: list[float]) -> tuple[float, float, float, float]:
    west, south, east, north = bbox
    is_there = all(abs(longitude) <= _MOST_LONGITUDE for longitude in (west, east))
    if not is_there or not -_MOST_LATITUDE <= south <= north <= _MOST_LATITUDE:
        raise RequestError(
            say("bounds must be west, south, east, north in degrees, south not above north"),
            field="bbox",
            value=bbox,
            hint=say("For example bbox=22,35,28,41; across 180: bbox=175,-20,-175,-10."),
        )
    return west, south, east, north


ROUTES = (
    Route(
        "crs",
        "/crs",
        (
            Operation(
                "GET",
                "searchCrs",
                "Coordinate systems by name, place or code",
                search,
                "Overview",
                (_TEXT, _BBOX, _LIMIT, FORM),
                answers={200: Answer("The coordinate systems, the fitting ones first", _FOUND)},
                access=Access.OPEN,
            ),
        ),
    ),
)
