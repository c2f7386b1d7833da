"""Layers as collections of OGC API - Features, with what the map needs besides."""

from __future__ import annotations

import re
from typing import Any

from django.http import HttpRequest
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from marinemap.api.declarations import Document
from marinemap.api.features.crs import CRS84, crs_uri, offered
from marinemap.api.features.forms import FILE_FORMS
from marinemap.api.identity import viewer_of
from marinemap.api.links import GEOJSON, OGC, link, own_links
from marinemap.api.problems import NotFoundError
from marinemap.catalogue.drawings import progress_of
from marinemap.catalogue.glance import catalogue_as_it_is, layer_seen_by
from marinemap.catalogue.models import ID_PATTERN, Drawing, Layer
from marinemap.catalogue.naming import field_of_names
from marinemap.errors import did_you_mean, quote
from marinemap.extraction import get_format
from marinemap.extraction.tiles import MEDIA_TYPE as DRAWING
from marinemap.sentences import say

_WORLD = [-180.0, -90.0, 180.0, 90.0]
# Titles of links, made once: a list of layers has hundreds of them.
_FEATURES, _TILES, _DRAWING = _("Features"), _("Tiles"), _("Drawing")
_ASKABLE, _AS_GEOJSON = _("What can be asked for"), _("Features as GeoJSON")
_FEATURES_AS = {
    name: format_lazy(_("Features as {form}"), form=get_format(name).title) for name in FILE_FORMS
}


def get_layer(request: HttpRequest, layer_id: str) -> Layer:
    """Return a layer that the sender of a request may see.

    Raises
    ------
    NotFoundError
        If there is none, and the nearest known id is offered; or its data were not read yet.
    """
    # What is no id is not looked up: databases refuse some texts, such as one with a NUL.
    is_id = re.fullmatch(ID_PATTERN, layer_id) is not None
    viewer = viewer_of(request)
    layer = layer_seen_by(viewer, layer_id) if is_id else None
    if layer is None:
        known = Layer.objects.visible_to(viewer).values_list("id", flat=True)
        raise NotFoundError(
            say(
                "there is no collection '{layer}'.{nearest}",
                layer=quote(layer_id),
                nearest=did_you_mean(quote(layer_id), known),
            ),
            field="collectionId",
            value=layer_id,
        )
    if not layer.is_read:
        raise NotFoundError(layer.unread_words, field="collectionId", value=layer_id)
    return layer


def kept_by(layer: Layer) -> str:
    """Return who may keep what is answered of a layer: every cache, or only who asked."""
    return "private" if layer.is_restricted else "public"


def collections(request: HttpRequest) -> Document:
    """List the layers that whoever asks may see."""
    layers = Layer.objects.visible_to(viewer_of(request)).select_related("drawing")
    listed = [described(request, layer) for layer in layers]
    body = {"collections": listed, "links": []}
    return Document(_("Layers"), body, question=catalogue_as_it_is)


# Not the reason itself, which names files of the server.
_TROUBLE = _("The data of this layer cannot be read now; whoever runs this site has been told.")


def collection(request: HttpRequest, collection_id: str) -> Document:
    """Describe one layer."""
    layer = get_layer(request, collection_id)
    return Document(layer.title, described(request, layer), question=catalogue_as_it_is)


def described(request: HttpRequest, layer: Layer) -> dict[str, Any]:
    """Return a layer as a collection."""
    body: dict[str, Any] = {
        "id": layer.pk,
        "title": layer.title,
        "description": layer.description,
        "theme": layer.theme,
        "position": layer.position,
        "itemType": "feature",
        "storageCrs": crs_uri(layer.crs),
        "crs": offered(layer),
        "geometryType": layer.geometry_type,
        "featureCount": layer.feature_count,
        "fields": layer.fields,
        "nameField": field_of_names(layer.fields, layer.name_field),
        "license": layer.licence,
        "attribution": layer.attribution,
        "version": layer.version,
        "updated": layer.updated_at.isoformat(),
        "limits": layer.limits or None,
        "trouble": _TROUBLE if layer.trouble else None,
        "links": own_links(request, "collection", layer.pk),
    }
    drawing: Drawing | None = getattr(layer, "drawing", None)
    if drawing and drawing.file:
        found = link(
            request, "item", "drawing", layer.pk, drawing.file, type_=DRAWING, title=_DRAWING
        )
        tiles = link(request, f"{OGC}tilesets-vector", "tilesets", layer.pk, title=_TILES)
        body["links"] += [found, tiles]
    progress = progress_of(layer, drawing)
    if progress is not None:
        body["drawing"] = {"progress": progress}
    bounds = layer.bounds_4326 or _WORLD
    body["extent"] = {"spatial": {"bbox": [bounds], "crs": CRS84}}
    body["links"] += _feature_links(request, layer)
    return {name: value for name, value in body.items() if value not in (None, "")}


def _feature_links(request: HttpRequest, layer: Layer) -> list[dict[str, Any]]:
    page = link(
        request, "items", "items", layer.pk, type_="text/html", title=_FEATURES, query="?f=html"
    )
    files = [
        link(
            request,
            "items",
            "items",
            layer.pk,
            type_=kind,
            title=_FEATURES_AS[name],
            query=f"?f={name}",
        )
        for name, kind in FILE_FORMS.items()
    ]
    return [
        link(
            request,
            "items",
            "items",
            layer.pk,
            type_=GEOJSON,
            title=_AS_GEOJSON,
        ),
        page,
        *files,
        link(
            request,
            f"{OGC}queryables",
            "queryables",
            layer.pk,
            type_="application/schema+json",
            title=_ASKABLE,
        ),
    ]
