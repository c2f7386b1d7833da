"""The tilesets of a layer, and their tiles."""

from __future__ import annotations

import gzip
from typing import Any
from urllib.parse import unquote

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from marinemap.api.compression import takes_gzip
from marinemap.api.declarations import Document
from marinemap.api.features.layers import get_layer, kept_by
from marinemap.api.links import OGC, link, own_links
from marinemap.api.problems import NotFoundError
from marinemap.api.tiles.archive import TileArchive, open_archive
from marinemap.api.tiles.matrices import CRS, SCHEME, URI
from marinemap.catalogue.models import Layer
from marinemap.sentences import say

MVT = "application/vnd.mapbox-vector-tile"
# What to do where there is no such tile.
_BEYOND = "Maps enlarge the tiles of the highest zoom; the TileJSON says which that is."
_ORDER = "The order is zoom, row, column: .../{z}/{y}/{x}."
_NAMES = ("tileMatrix", "tileRow", "tileCol")


def tilesets(request: HttpRequest, collection_id: str) -> Document:
    """List the tilesets of a layer: one, where it is drawn."""
    layer = get_layer(request, collection_id)
    with open_archive(layer) as archive:
        listed = [_summary(request, layer, archive)]
    return Document(
        format_lazy(_("{layer}: tiles"), layer=layer.title), {"tilesets": listed, "links": []}
    )


def tileset(request: HttpRequest, collection_id: str) -> Document:
    """Describe the tileset of a layer."""
    layer = get_layer(request, collection_id)
    with open_archive(layer) as archive:
        body = _summary(request, layer, archive)
        highest = archive.zooms[1]
        body["layers"] = [
            {"id": each["id"], "dataType": "vector"}
            for each in archive.metadata.get("vector_layers", [])
        ]
    limits = [_limits(zoom) for zoom in range(highest + 1)]
    return Document(
        format_lazy(_("{layer}: tiles"), layer=layer.title), body | {"tileMatrixSetLimits": limits}
    )


def tilejson(request: HttpRequest, collection_id: str) -> Document:
    """Describe the tileset as TileJSON 3.0, which maps read."""
    layer = get_layer(request, collection_id)
    with open_archive(layer) as archive:
        lowest, highest = archive.zooms
        layers = archive.metadata.get("vector_layers", [])
    body = {
        "tilejson": "3.0.0",
        "name": layer.title,
        "attribution": layer.attribution,
        "scheme": "xyz",
        "tiles": [_template(request, layer, ("{z}", "{y}", "{x}"))],
        "minzoom": lowest,
        "maxzoom": highest,
        "vector_layers": layers,
    }
    if layer.bounds_4326 and layer.bounds_4326[0] <= layer.bounds_4326[2]:
        body["bounds"] = _within_world(layer.bounds_4326)
    return Document(f"{layer.title}: TileJSON", body)


def _within_world(bounds: list[float]) -> list[float]:
    """Return bounds that end at 180 degrees: maps cut them there (MapLibre's do).

    They ask for no tile outside of what is left, and of a layer that counts on beyond 180 some
    of its tiles lie at the other side of the world.
    """
    west, south, east, north = bounds
    return [-180.0, south, 180.0, north] if west < -180 or east > 180 else bounds


def tile(
    request: HttpRequest, collection_id: str, tile_matrix: str, tile_row: str, tile_col: str
) -> HttpResponse:
    """Answer a tile; 204 where nothing is drawn."""
    layer = get_layer(request, collection_id)
    with open_archive(layer) as archive:
        # Above the lowest zoom with tiles all features are too small to be seen: empty, too.
        zoom = _number("tileMatrix", tile_matrix, archive.zooms[1], _BEYOND)
        row = _number("tileRow", tile_row, 2**zoom - 1, _ORDER)
        column = _number("tileCol", tile_col, 2**zoom - 1, _ORDER)
        content = archive.tile(zoom, column, row)
        etag = f'"{archive.name}/{zoom}/{row}/{column}"'
        is_packed = archive.encoding == "gzip"
    if content and is_packed and not takes_gzip(request):
        content, is_packed, etag = gzip.decompress(content), False, f'{etag[:-1]}/plain"'
    response = HttpResponse(content or b"", MVT, status=200 if content else 204)
    if content and is_packed:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["ETag"] = etag
    patch_vary_headers(response, ["Accept-Encoding"])
    response.headers["Cache-Control"] = f"{kept_by(layer)}, max-age=300"
    conditional = get_conditional_response(request, etag=etag, response=response)
    assert isinstance(conditional, HttpResponse)
    return conditional


def _summary(request: HttpRequest, layer: Layer, archive: TileArchive) -> dict[str, Any]:
    item = {
        "href": _template(request, layer, tuple(f"{{{name}}}" for name in _NAMES)),
        "rel": "item",
        "type": MVT,
        "templated": True,
        "title": _("A tile"),
    }
    scheme = link(request, f"{OGC}tiling-scheme", "matrix-set", title=SCHEME)
    described = link(request, "describedby", "tilejson", layer.pk, title="TileJSON")
    return {
        "title": layer.title,
        "dataType": "vector",
        "crs": CRS,
        "tileMatrixSetURI": URI,
        "links": [
            *own_links(request, "tileset", layer.pk),
            scheme,
            item,
            described,
        ],
    }


def _template(request: HttpRequest, layer: Layer, names: tuple[str, ...]) -> str:
    address = request.build_absolute_uri(reverse("api:tile", args=[layer.pk, *names]))
    # Braces are the template's own.
    return unquote(address)


def _limits(zoom: int) -> dict[str, Any]:
    """Return all of a zoom: a tile where nothing is drawn is answered as well."""
    last = 2**zoom - 1
    return {
        "tileMatrix": str(zoom),
        "minTileRow": 0,
        "maxTileRow": last,
        "minTileCol": 0,
        "maxTileCol": last,
    }


def _number(name: str, text: str, most: int, hint: str) -> int:
    is_number = text.isascii() and text.isdigit() and len(text) < 10
    if not is_number or int(text) > most:
        raise NotFoundError(
            say(
                "there is no such tile: {name} is a number from 0 to {most} here",
                name=name,
                most=most,
            ),
            field=name,
            value=text,
            hint=hint,
        )
    return int(text)
