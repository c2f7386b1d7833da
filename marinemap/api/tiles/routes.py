"""The routes of OGC API - Tiles, declared."""

from __future__ import annotations

from marinemap.api.access import Access
from marinemap.api.declarations import Answer, Operation, Parameter, Route
from marinemap.api.declarations.serving import FORM
from marinemap.api.features.routes import COLLECTION_ID
from marinemap.api.tiles import matrices, tilesets

_MATRIX = Parameter("tileMatrix", {"type": "string"}, "The zoom, from 0.", "path")
_ROW = Parameter("tileRow", {"type": "string"}, "The row, from 0 in the north.", "path")
_COLUMN = Parameter("tileCol", {"type": "string"}, "The column, from 0 in the west.", "path")
_LINKS = {"type": "array", "items": {"type": "object", "required": ["href", "rel"]}}
_TILESET = {
    "type": "object",
    "required": ["dataType", "crs", "links"],
    "properties": {
        "title": {"type": "string"},
        "dataType": {"type": "string", "enum": ["vector"]},
        "crs": {"type": "string"},
        "tileMatrixSetURI": {"type": "string"},
        "links": _LINKS,
    },
}
_TILESETS = {
    "type": "object",
    "required": ["tilesets"],
    "properties": {"tilesets": {"type": "array", "items": _TILESET}, "links": _LINKS},
}
_SCHEME = f"/collections/{{collectionId}}/tiles/{matrices.SCHEME}"

ROUTES = (
    Route(
        "matrix-sets",
        "/tileMatrixSets",
        (
            Operation(
                "GET",
                "getTileMatrixSetsList",
                "The tiling schemes",
                matrices.matrix_sets,
                "Tiles",
                (FORM,),
                answers={200: Answer("The schemes", {"type": "object"})},
                access=Access.OPEN,
            ),
        ),
    ),
    Route(
        "matrix-set",
        f"/tileMatrixSets/{matrices.SCHEME}",
        (
            Operation(
                "GET",
                "getTileMatrixSet",
                "The tiling scheme of the tiles",
                matrices.matrix_set,
                "Tiles",
                (FORM,),
                answers={200: Answer("The scheme (OGC 17-083r4)", {"type": "object"})},
                access=Access.OPEN,
            ),
        ),
    ),
    Route(
        "tilesets",
        "/collections/{collectionId}/tiles",
        (
            Operation(
                "GET",
                "getTileSetsList",
                "The tilesets of a layer",
                tilesets.tilesets,
                "Tiles",
                (FORM,),
                answers={200: Answer("The tilesets", _TILESETS)},
                access=Access.LAYERS,
            ),
        ),
        (COLLECTION_ID,),
    ),
    Route(
        "tileset",
        _SCHEME,
        (
            Operation(
                "GET",
                "getTileSet",
                "The tileset of a layer",
                tilesets.tileset,
                "Tiles",
                (FORM,),
                answers={200: Answer("The tileset", _TILESET)},
                access=Access.LAYERS,
            ),
        ),
        (COLLECTION_ID,),
    ),
    Route(
        "tilejson",
        f"{_SCHEME}/tilejson",
        (
            Operation(
                "GET",
                "getTileJson",
                "The tileset of a layer as TileJSON",
                tilesets.tilejson,
                "Tiles",
                (FORM,),
                answers={200: Answer("TileJSON 3.0", {"type": "object"})},
                access=Access.LAYERS,
            ),
        ),
        (COLLECTION_ID,),
    ),
    Route(
        "tile",
        f"{_SCHEME}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}",
        (
            Operation(
                "GET",
                "getTile",
                "A tile",
                tilesets.tile,
                "Tiles",
                answers={
                    200: Answer("A vector tile", {}, (tilesets.MVT,)),
                    204: Answer("Nothing is drawn here", media_types=()),
                    404: Answer("There is no such tile", media_types=()),
                },
                access=Access.LAYERS,
            ),
        ),
        (COLLECTION_ID, _MATRIX, _ROW, _COLUMN),
    ),
)
