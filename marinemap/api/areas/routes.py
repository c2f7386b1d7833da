"""The routes of areas, declared."""

from __future__ import annotations

from marinemap.api.access import Access
from marinemap.api.areas import named, uploaded
from marinemap.api.declarations import Answer, Body, Operation, Parameter, Route
from marinemap.api.declarations.operation import FORM_DATA, HTML
from marinemap.api.declarations.serving import FORM
from marinemap.api.links import GEOJSON, LINKS

AREA_ID = Parameter("areaId", {"type": "string"}, "The id of an area.", "path")
_TITLE = Parameter(
    "title",
    {"type": "string", "minLength": 1, "maxLength": 200},
    "What the area is called; by default as the file of a form.",
)
_TEXT_SOUGHT = Parameter(
    "q",
    {"type": "string", "default": "", "maxLength": 100},
    "Words of a name, or their beginnings, without regard to case and accents.",
)
_LIMIT = Parameter(
    "limit",
    {"type": "integer", "minimum": 1, "maximum": 100, "default": 10},
    "At most so many.",
    clamps=True,
)
_TEXT = {"type": "string"}
_MOMENT = {"type": "string", "format": "date-time"}
_NUMBERS = {"type": "array", "items": {"type": "number"}}
_AREA = {
    "type": "object",
    "required": ["type", "id", "geometry", "properties", "links"],
    "properties": {
        "type": {"type": "string", "enum": ["Feature"]},
        "id": {"type": "string", "description": "To be given to a process as its area."},
        "bbox": _NUMBERS,
        "geometry": {"type": "object", "required": ["type", "coordinates"]},
        "properties": {
            "type": "object",
            "properties": {
                "title": _TEXT,
                "notes": {
                    "type": "array",
                    "items": _TEXT,
                    "description": "What was repaired.",
                },
                "corners": {"type": "integer", "minimum": 0},
                "areaKm2": {"type": "number", "minimum": 0},
                "created": _MOMENT,
                "expires": _MOMENT,
            },
        },
        "links": LINKS,
    },
}
_FOUND = {
    "type": "object",
    "required": ["areas", "links"],
    "properties": {
        "areas": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "title", "layer", "links"],
                "properties": {
                    "id": {"type": "string", "description": "To be given as an area."},
                    "title": _TEXT,
                    "layer": _TEXT,
                    "bbox": _NUMBERS,
                    "links": LINKS,
                },
            },
        },
        "links": LINKS,
    },
}
_FILE = Body(
    {"type": "string", "format": "binary"},
    "The file: a zipped shapefile, GeoPackage, KML, KMZ, GPX (closed tracks or routes), GeoJSON or "
    "WKT. Its content says what it is; its media type says nothing.",
    media_types=(
        "application/octet-stream",
        "application/zip",
        "application/geopackage+sqlite3",
        "application/vnd.google-earth.kml+xml",
        "application/vnd.google-earth.kmz",
        "application/gpx+xml",
        GEOJSON,
        "text/plain",
        FORM_DATA,
    ),
)
_SHOWN = Answer("The area", _AREA, (GEOJSON, HTML))

ROUTES = (
    Route(
        "areas",
        "/areas",
        (
            Operation(
                "GET",
                "searchAreas",
                "Areas by name",
                named.search,
                "Areas",
                (_TEXT_SOUGHT, _LIMIT, FORM),
                answers={200: Answer("The areas, the nearest first", _FOUND)},
                access=Access.OPEN,
            ),
            Operation(
                "POST",
                "uploadArea",
                "Upload an area, to be asked for by its id for a day",
                uploaded.upload,
                "Areas",
                (_TITLE,),
                _FILE,
                {201: Answer("The area", _AREA, (GEOJSON,), {"Location": "Where it is"})},
                access=Access.WRITE_JOBS,
            ),
        ),
    ),
    Route(
        "area",
        "/areas/{areaId}",
        (
            Operation(
                "GET",
                "getArea",
                "An area",
                uploaded.show,
                "Areas",
                (FORM,),
                answers={200: _SHOWN},
                access=Access.OPEN,
            ),
            Operation(
                "DELETE",
                "removeArea",
                "Remove an area that you uploaded",
                uploaded.remove,
                "Areas",
                answers={200: Answer("The area that was", _AREA, (GEOJSON, HTML))},
                access=Access.WRITE_JOBS,
            ),
        ),
        (AREA_ID,),
    ),
)
