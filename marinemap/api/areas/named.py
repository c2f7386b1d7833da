"""Areas that a layer names: searched, and shown."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from marinemap.api.conf import max_body_bytes
from marinemap.api.declarations import Document
from marinemap.api.features.crs import choose_crs, moved
from marinemap.api.features.geojson import write_features
from marinemap.api.features.sketch import sketch
from marinemap.api.identity import viewer_of
from marinemap.api.links import GEOJSON, link, own_links
from marinemap.catalogue import area_names
from marinemap.catalogue.models import Layer, NamedArea
from marinemap.errors import RequestError
from marinemap.extraction import read_one
from marinemap.extraction.pages.rows import Features
from marinemap.sentences import say


def search(request: HttpRequest, q: str, limit: int) -> Document:
    """Answer the areas whose names have the words of a text."""
    found = area_names.search(q, viewer_of(request), limit)
    listed = [
        {
            "id": each.id,
            "title": each.name,
            "layer": each.layer,
            "bbox": each.bounds,
            "links": own_links(request, "area", each.id),
        }
        for each in found
    ]
    return Document(_("Areas"), {"areas": listed, "links": []})


def show(request: HttpRequest, area_id: str) -> Document | None:
    """Answer a named area as a GeoJSON feature; None where there is none for who asks."""
    found = _read(request, area_id)
    if found is None:
        return None
    layer, area, feature = found
    target = choose_crs(layer, None, "crs")
    body: dict[str, Any] = {
        "type": "Feature",
        "id": area_id,
        "bbox": area.bounds,
        "properties": {"title": area.name, "layer": layer.pk, "attribution": layer.attribution},
        "links": [
            link(request, "self", "area", area_id, type_=GEOJSON),
            link(request, "collection", "collection", layer.pk, title=layer.title),
            link(request, "via", "item", layer.pk, area.feature, type_=GEOJSON),
        ],
    }
    return Document(
        area.name,
        body,
        GEOJSON,
        written=lambda: {"geometry": _geometry(layer, feature)},
        picture=lambda: sketch([moved(feature.geometries, layer, target)]),
    )


def geometry_of(request: HttpRequest, area_id: str) -> bytes | None:
    """Return a named area as a GeoJSON geometry; None where there is none for who asks.

    Raises
    ------
    RequestError
        If it is larger than an area that is sent may be.
    """
    found = _read(request, area_id)
    if found is None:
        return None
    layer, area, feature = found
    geometry = _geometry(layer, feature)
    if len(geometry) > max_body_bytes():
        raise RequestError(
            say(
                "'{name}' has {size:,} bytes as GeoJSON; at most {most:,} "
                "bytes are taken as an area",
                name=area.name,
                size=len(geometry),
                most=max_body_bytes(),
            ),
            field="area",
            value=area_id,
            hint=say("Ask for a box, or upload a simpler outline at /api/areas."),
        )
    return geometry


def _read(request: HttpRequest, area_id: str) -> tuple[Layer, NamedArea, Features] | None:
    """Return an area with its feature, where the data still have it under that name."""
    found = area_names.find(area_id, viewer_of(request))
    if found is None:
        return None
    layer, area = found
    feature = read_one(layer.to_dataset(), area.feature)
    if feature is None or not area_names.is_name(area, feature.attributes, layer.area_names):
        return None
    return layer, area, feature


def _geometry(layer: Layer, feature: Features) -> bytes:
    ((_, geometry, _),) = write_features(feature, layer, choose_crs(layer, None, "crs"))
    return geometry.encode()
