"""The inputs of an extraction as a process description has them (OGC 18-062r2, section 7.6).

The schemas are of OpenAPI 3.0, as that standard asks: no ``$ref`` within, no ``const``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marinemap.extraction import FORMATS, MODES, get_format
from marinemap.processes.inputs import MAX_LAYERS

_FIELDS = {"type": "array", "items": {"type": "string"}, "uniqueItems": True}
# CQL2 text as a string, CQL2 JSON as an object: the type says which, so there is no filter-lang.
_FILTER = {"oneOf": [{"type": "string", "maxLength": 10_000}, {"type": "object"}]}
_LAYER = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string"}, "fields": _FIELDS, "filter": _FILTER},
    "additionalProperties": False,
}


def _format_schema(name: str) -> dict[str, Any]:
    """Return a format as a schema of one value, with what a person needs to choose it."""
    format_ = get_format(name)
    return {"enum": [name], "title": format_.title, "description": format_.about}


def _only_crs() -> list[dict[str, Any]]:
    """Return the formats that have one CRS only, as the standard's additionalParameters."""
    found = {name: get_format(name).crs for name in FORMATS}
    return [{"name": name, "value": [crs]} for name, crs in found.items() if crs]


EXTRACT_INPUTS: Mapping[str, Mapping[str, Any]] = {
    "layers": {
        "title": "Layers",
        "description": "Ids of layers; GET /api/collections lists them. An object with a layer's "
        "name chooses fields or a filter for that layer alone.",
        "schema": {
            "type": "array",
            "items": {"oneOf": [{"type": "string"}, _LAYER]},
            "minItems": 1,
            "maxItems": MAX_LAYERS,
        },
    },
    "area": {
        "title": "Area",
        "description": "A GeoJSON Polygon or MultiPolygon, a Feature or FeatureCollection of them "
        "(RFC 7946: degrees, longitude before latitude), or bounds west, south, east, north, as a "
        "list or with a CRS; or the id of an area, which /api/areas uploads and searches.",
        "schema": {
            "oneOf": [
                {"type": "object", "format": "geojson-geometry"},
                {"type": "object", "format": "geojson-feature"},
                {"type": "object", "format": "geojson-feature-collection"},
                {"type": "object", "format": "ogc-bbox"},
                {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 6},
                {"type": "string", "maxLength": 300, "title": "The id of an area"},
            ]
        },
    },
    "mode": {
        "title": "Cut or whole",
        "description": "clip cuts features at the edge of the area, intersects keeps whole those "
        "that touch it, within keeps those that lie in it.",
        "minOccurs": 0,
        "schema": {"type": "string", "enum": list(MODES), "default": "clip"},
    },
    "fields": {
        "title": "Fields",
        "description": "The fields to keep of each layer, all by default; "
        "GET /api/collections/{id} lists them.",
        "minOccurs": 0,
        "schema": _FIELDS,
    },
    "filter": {
        "title": "Filter",
        "description": "Keep only features whose fields match: CQL2 text such as "
        "\"depth > 20 AND name LIKE 'Reef%'\", or CQL2 JSON (OGC 21-065r2). It counts for each "
        "layer that has none of its own.",
        "minOccurs": 0,
        "schema": _FILTER,
    },
    "format": {
        "title": "Format",
        "description": "The format of the files in the archive.",
        # The standard's schema of schemas takes no member of our own.
        "additionalParameters": {"title": "The only CRS of a format", "parameters": _only_crs()},
        "minOccurs": 0,
        "schema": {
            "type": "string",
            "enum": list(FORMATS),
            "oneOf": [_format_schema(name) for name in FORMATS],
            "default": "shapefile",
        },
    },
    "crs": {
        "title": "Output CRS",
        "description": "An EPSG code such as EPSG:3857; without it each layer keeps its own.",
        "minOccurs": 0,
        "schema": {"type": "string"},
    },
    "full_copy": {
        "title": "Full copy",
        "description": "Whether a GeoPackage with everything comes along where the format loses "
        "something, such as long texts in a shapefile.",
        "minOccurs": 0,
        "schema": {"type": "boolean", "default": True},
    },
}
