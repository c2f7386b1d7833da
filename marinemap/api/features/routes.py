"""The routes of OGC API - Features, declared."""

from __future__ import annotations

from django.http import HttpRequest

from marinemap.api.access import Access
from marinemap.api.declarations import Answer, Operation, Parameter, Route
from marinemap.api.declarations.serving import FORM
from marinemap.api.features import drawings, items, layers, queryables, values
from marinemap.api.features.forms import FILE_FORMS, ITEMS_FORM
from marinemap.api.identity import viewer_of
from marinemap.api.links import GEOJSON
from marinemap.catalogue.models import Layer
from marinemap.extraction.tiles import MEDIA_TYPE as DRAWING

COLLECTION_ID = Parameter("collectionId", {"type": "string"}, "The id of a layer.", "path")
_FILE = Parameter("file", {"type": "string"}, "The name of a drawing.", "path")
_LINKS = {"type": "array", "items": {"type": "object", "required": ["href", "rel"]}}
_COLLECTION = {
    "type": "object",
    "required": ["id", "links"],
    "properties": {
        "id": {"type": "string"},
        "title": {"type": "string"},
        "theme": {"type": "string", "description": "The heading under which people find it."},
        "position": {
            "type": "integer",
            "description": "Its place in lists, smaller numbers first; without one by title.",
        },
        "nameField": {"type": "string", "description": "The field that names its features."},
        "itemType": {"type": "string"},
        "crs": {"type": "array", "items": {"type": "string"}},
        "links": _LINKS,
    },
}
_COLLECTIONS = {
    "type": "object",
    "required": ["collections", "links"],
    "properties": {"collections": {"type": "array", "items": _COLLECTION}, "links": _LINKS},
}
_FEATURE = {
    "type": "object",
    "required": ["type", "geometry", "properties"],
    "properties": {
        "type": {"type": "string", "enum": ["Feature"]},
        "id": {"type": "integer"},
        "geometry": {"type": "object", "nullable": True},
        "properties": {"type": "object", "nullable": True},
        "links": _LINKS,
    },
}
_PAGE = {
    "type": "object",
    "required": ["type", "features"],
    "properties": {
        "type": {"type": "string", "enum": ["FeatureCollection"]},
        "features": {"type": "array", "items": _FEATURE},
        "links": _LINKS,
        "numberMatched": {"type": "integer", "minimum": 0},
        "numberReturned": {"type": "integer", "minimum": 0},
    },
}
_VALUE = {"anyOf": [{"type": kind} for kind in ("string", "number", "boolean")]}
_VALUES = {
    "type": "object",
    "required": ["field", "values", "distinct", "missing", "lookedAt", "complete"],
    "properties": {
        "field": {"type": "string"},
        "values": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["value", "count"],
                "properties": {"value": _VALUE, "count": {"type": "integer", "minimum": 1}},
            },
        },
        "distinct": {"type": "integer", "minimum": 0, "description": "How many there are."},
        "minimum": _VALUE,
        "maximum": _VALUE,
        "missing": {"type": "integer", "minimum": 0, "description": "Features without a value."},
        "lookedAt": {"type": "integer", "minimum": 0, "description": "Of so many features."},
        "complete": {"type": "boolean", "description": "Whether these are all of the layer."},
        "links": _LINKS,
    },
}
_FIELD = Parameter(
    "field", {"type": "string", "maxLength": 1000}, "The name of a field.", is_required=True
)
_VALUES_LIMIT = Parameter(
    "limit",
    {
        "type": "integer",
        "minimum": 1,
        "maximum": values.MOST_VALUES,
        "default": values.DEFAULT_VALUES,
    },
    "At most so many values.",
    clamps=True,
)
_URI = {"type": "string", "format": "uri", "maxLength": 200}
_CRS = Parameter("crs", _URI, "The CRS of the answer, one that the layer lists; CRS84 without it.")
_FEATURE_ID = Parameter("featureId", {"type": "string"}, "The id of a feature.", "path")
_ITEM_PARAMETERS = (
    Parameter(
        "limit",
        # The official suite follows four pages at the maximum, and needs to see all features.
        {"type": "integer", "minimum": 1, "maximum": 5000, "default": 100},
        "At most so many features a page; a page may have fewer and go on.",
        clamps=True,
    ),
    Parameter(
        "bbox",
        {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 6},
        "Features that meet these bounds: west, south, east, north in degrees, or in the order of "
        "the axes of bbox-crs; with heights six numbers. West may lie beyond east, across 180.",
    ),
    Parameter("bbox-crs", _URI, "The CRS of bbox; CRS84 without it."),
    _CRS,
    Parameter(
        "datetime",
        {"type": "string", "maxLength": 100},
        "Features with a day or moment at a moment or within an interval, such as 2026-11-01/.., "
        "in any of their fields of days and moments; those without one match any.",
    ),
    Parameter(
        "filter",
        {"type": "string", "maxLength": 10_000},
        "Features whose fields match, in CQL2: depth_m > 20 AND name LIKE 'Reef%'.",
    ),
    Parameter(
        "filter-lang",
        {"type": "string", "enum": list(queryables.LANGUAGES), "default": "cql2-text"},
        "The language of filter.",
    ),
    Parameter("filter-crs", _URI, "The CRS of positions in filter; CRS84 without it."),
    Parameter(
        "properties",
        {"type": "array", "items": {"type": "string", "maxLength": 1000}, "maxItems": 1000},
        "The fields that features are to have: port_code,port_name. They have a geometry where it "
        "is listed as well, by its name at /queryables.",
    ),
    Parameter(
        "after",
        {"type": "string", "maxLength": 64},
        "Where the page before ended, and of which version of the data it was; the link 'next' "
        "has it. Of another version than the present one it is refused.",
    ),
    Parameter(
        "offset",
        {"type": "integer", "minimum": 0, "maximum": 1_000_000_000, "default": 0},
        "So many features are passed over, for clients that count pages; the link 'next' is "
        "quicker, and tells when data have changed.",
    ),
    ITEMS_FORM,
)


def _each_layer(request: HttpRequest) -> list[dict[str, str]]:
    ids = Layer.objects.visible_to(viewer_of(request)).values_list("id", flat=True)
    return [{"collectionId": layer_id} for layer_id in ids]


ROUTES = (
    Route(
        "collections",
        "/collections",
        (
            Operation(
                "GET",
                "getCollections",
                "The layers",
                layers.collections,
                "Layers",
                (FORM,),
                answers={200: Answer("The layers", _COLLECTIONS)},
                access=Access.LAYERS,
            ),
        ),
    ),
    Route(
        "collection",
        "/collections/{collectionId}",
        (
            Operation(
                "GET",
                "describeCollection",
                "A layer",
                layers.collection,
                "Layers",
                (FORM,),
                answers={200: Answer("The layer", _COLLECTION)},
                access=Access.LAYERS,
            ),
        ),
        (COLLECTION_ID,),
    ),
    Route(
        "queryables",
        "/collections/{collectionId}/queryables",
        (
            Operation(
                "GET",
                "getQueryables",
                "The fields by which a layer can be filtered",
                queryables.queryables,
                "Layers",
                (FORM,),
                answers={
                    200: Answer(
                        "A JSON Schema", {"type": "object"}, (queryables.MEDIA_TYPE, "text/html")
                    )
                },
                access=Access.LAYERS,
            ),
        ),
        (COLLECTION_ID,),
    ),
    Route(
        "values",
        "/collections/{collectionId}/values",
        (
            Operation(
                "GET",
                "getValues",
                "The values of a field, the most frequent first",
                values.values,
                "Layers",
                (_FIELD, _VALUES_LIMIT, FORM),
                answers={200: Answer("The values, and how often they come", _VALUES)},
                access=Access.LAYERS,
            ),
        ),
        (COLLECTION_ID,),
    ),
    Route(
        "items",
        "/collections/{collectionId}/items",
        (
            Operation(
                "GET",
                "getFeatures",
                "Features of a layer",
                items.items,
                "Layers",
                _ITEM_PARAMETERS,
                answers={
                    200: Answer(
                        "A page of features",
                        _PAGE,
                        (GEOJSON, "text/html", *FILE_FORMS.values()),
                        {"Link": "Where the next page is, for forms without links of their own"},
                    )
                },
                more_parameters=queryables.field_parameters,
                access=Access.LAYERS,
            ),
        ),
        (COLLECTION_ID,),
        _each_layer,
    ),
    Route(
        "item",
        "/collections/{collectionId}/items/{featureId}",
        (
            Operation(
                "GET",
                "getFeature",
                "One feature",
                items.item,
                "Layers",
                (_CRS, FORM),
                answers={200: Answer("The feature", _FEATURE, (GEOJSON, "text/html"))},
                access=Access.LAYERS,
            ),
        ),
        (COLLECTION_ID, _FEATURE_ID),
        _each_layer,
    ),
    Route(
        "drawing",
        "/collections/{collectionId}/drawings/{file}",
        (
            Operation(
                "GET",
                "getDrawing",
                "The drawing of a layer, of which a map reads parts by Range",
                drawings.drawing,
                "Layers",
                answers={
                    200: Answer("An archive of tiles", {}, (DRAWING,)),
                    206: Answer("A part of it", {}, (DRAWING,)),
                },
                access=Access.LAYERS,
            ),
        ),
        (COLLECTION_ID, _FILE),
    ),
)
