"""The tiling scheme of the drawings, as OGC 17-083r4 (annex D) defines it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from marinemap.api.declarations import Document
from marinemap.api.links import own_links

SCHEME = "WebMercatorQuad"
URI = f"http://www.opengis.net/def/tilematrixset/OGC/1.0/{SCHEME}"
CRS = "http://www.opengis.net/def/crs/EPSG/0/3857"
# Half of the equator's length on the sphere of EPSG:3857, metres.
_EDGE = 20037508.342789244
_TILE = 256
# OGC's standard pixel, metres.
_PIXEL = 0.00028
_ZOOMS = range(25)


def matrix_sets(request: HttpRequest) -> Document:
    """List the tiling schemes: one."""
    listed = [
        {
            "id": SCHEME,
            "title": _("Web Mercator, a square"),
            "uri": URI,
            "crs": CRS,
            "links": own_links(request, "matrix-set"),
        }
    ]
    return Document(_("Tiling schemes"), {"tileMatrixSets": listed, "links": []})


def matrix_set(request: HttpRequest) -> Document:
    """Define the tiling scheme."""
    body = {
        "id": SCHEME,
        "title": _("Web Mercator, a square"),
        "uri": URI,
        "crs": CRS,
        "orderedAxes": ["X", "Y"],
        "wellKnownScaleSet": "http://www.opengis.net/def/wkss/OGC/1.0/GoogleMapsCompatible",
        "tileMatrices": [_matrix(zoom) for zoom in _ZOOMS],
        "links": [],
    }
    return Document(SCHEME, body)


def _matrix(zoom: int) -> dict[str, Any]:
    cell = 2 * _EDGE / _TILE / 2**zoom
    return {
        "id": str(zoom),
        "scaleDenominator": cell / _PIXEL,
        "cellSize": cell,
        "cornerOfOrigin": "topLeft",
        "pointOfOrigin": [-_EDGE, _EDGE],
        "tileWidth": _TILE,
        "tileHeight": _TILE,
        "matrixWidth": 2**zoom,
        "matrixHeight": 2**zoom,
    }
