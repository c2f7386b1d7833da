"""The routes of OGC API - Features, declared."""

from __future__ import annotations

from marinemap.api.declarations import Answer, Operation, Parameter, Route
from marinemap.api.declarations.serving import FORM
from marinemap.api.features import drawings, layers
from marinemap.extraction.tiles import MEDIA_TYPE as DRAWING

_COLLECTION_ID = Parameter("collectionId", {"type": "string"}, "The id of a layer.", "path")
_FILE = Parameter("file", {"type": "string"}, "The name of a drawing.", "path")
_LINKS = {"type": "array", "items": {"type": "object", "required": ["href", "rel"]}}
_COLLECTION = {
    "type": "object",
    "required": ["id", "links"],
    "properties": {
        "id": {"type": "string"},
        "title": {"type": "string"},
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
            ),
        ),
        (_COLLECTION_ID,),
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
            ),
        ),
        (_COLLECTION_ID, _FILE),
    ),
)
