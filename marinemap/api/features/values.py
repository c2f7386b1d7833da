"""Which values a field of a layer has, for whoever builds a filter from those that exist."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.http import HttpRequest
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from marinemap.api.declarations import Document
from marinemap.api.features.layers import get_layer
from marinemap.api.features.positions import check_unchanged
from marinemap.api.links import link
from marinemap.catalogue.glance import layer_as_it_is
from marinemap.catalogue.models import Layer
from marinemap.extraction import FieldValues, count_values, fingerprint

DEFAULT_VALUES, MOST_VALUES = 100, 1_000


def values(request: HttpRequest, collection_id: str, field: str, limit: int) -> Document:
    """Answer the most frequent values of a field, and how often they come."""
    layer = get_layer(request, collection_id)
    mark = fingerprint(layer.path)
    found = count_values(layer.to_dataset(), mark, field)
    check_unchanged(layer, mark)
    body = {"field": field, **_told(found, limit), "links": _links(request, layer)}
    # How far an incomplete count came depends on how busy the site was: the next one may tell more.
    question = partial(layer_as_it_is, layer) if found.is_complete else None
    title = format_lazy(_("{layer}: values of {field}"), layer=layer.title, field=field)
    return Document(title, body, question=question)


def _told(found: FieldValues, limit: int) -> dict[str, Any]:
    listed = [{"value": value, "count": count} for value, count in found.most_frequent(limit)]
    told: dict[str, Any] = {
        "values": listed,
        "distinct": len(found.counts),
        "missing": found.missing,
        "lookedAt": found.looked_at,
        "complete": found.is_complete,
    }
    if found.counts:
        told |= {"minimum": min(found.counts), "maximum": max(found.counts)}
    return told


def _links(request: HttpRequest, layer: Layer) -> list[dict[str, Any]]:
    return [link(request, "collection", "collection", layer.pk, title=layer.title)]
