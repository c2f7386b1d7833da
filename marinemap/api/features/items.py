"""The features of a layer, in pages and one by one (OGC 17-069r4, 7.15 and 7.16)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import shapely
from django.forms import model_to_dict
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from marinemap.api.declarations import Document, Versioned
from marinemap.api.declarations.negotiation import form_of
from marinemap.api.declarations.pages import MOST_ON_A_PAGE
from marinemap.api.declarations.serving import FORM
from marinemap.api.features.crs import (
    Box,
    FeatureCrs,
    box_in_layer,
    choose_crs,
    followed,
    moved,
    with_turns,
)
from marinemap.api.features.files import write_file
from marinemap.api.features.forms import FILE_FORMS
from marinemap.api.features.geojson import rows_of, write_features
from marinemap.api.features.layers import get_layer
from marinemap.api.features.positions import (
    check_unchanged,
    read_position,
    version_of_data,
    write_position,
)
from marinemap.api.features.queryables import filters_of, within
from marinemap.api.features.selection import select
from marinemap.api.features.sketch import sketch
from marinemap.api.features.spatial import checked_boxes, geometry_field, narrowest
from marinemap.api.links import GEOJSON, ToFeature, link
from marinemap.api.problems import NotFoundError
from marinemap.api.times import parse_interval
from marinemap.catalogue.glance import layer_as_it_is
from marinemap.catalogue.models import Layer
from marinemap.errors import RequestError
from marinemap.extraction import (
    Page,
    Wanted,
    attributes_schema,
    fingerprint,
    read_one,
    read_page,
)
from marinemap.sentences import say

_MOST_ID = 2**63 - 1
# Who may see a layer changes nothing of what it holds.
_GROUPS = ("groups", "is_restricted")


def items(
    request: HttpRequest,
    collection_id: str,
    limit: int,
    bbox: list[float] | None,
    bbox_crs: str | None,
    crs: str | None,
    datetime: str | None,
    filter: str | None,
    filter_lang: str,
    filter_crs: str | None,
    properties: list[str] | None,
    after: str | None,
    offset: int,
    others: Mapping[str, Any],
) -> Document | Versioned:
    """Answer a page of features."""
    layer = get_layer(request, collection_id)
    target = choose_crs(layer, crs, "crs")
    literals = choose_crs(layer, filter_crs, "filter-crs")
    interval = None if datetime is None else parse_interval(datetime, "datetime")
    dataset = layer.to_dataset()
    may_filter = filter is not None or bool(others) or interval is not None
    schema = attributes_schema(dataset) if may_filter else None
    geometry = geometry_field(layer, literals)
    filters = filters_of(layer, schema, filter, filter_lang, others, geometry) if may_filter else []
    filters += within(schema, interval) if interval else []
    selection = select(layer, properties)
    box, keeps = _in_bbox(layer, bbox, choose_crs(layer, bbox_crs, "bbox-crs"))
    mark = fingerprint(layer.path)
    version = version_of_data(layer, mark)
    form = form_of(request, request.GET.get(FORM.name), GEOJSON, FILE_FORMS)
    wanted = Wanted(
        limit=min(limit, MOST_ON_A_PAGE) if form == "html" else limit,
        filters=filters,
        box=narrowest(box, filters, layer, literals),
        keeps=keeps,
        skip=offset,
        **read_position(after, version),
    )
    is_first = after is None and offset == 0
    is_all = bbox is None and not filters and mark == layer.fingerprint

    def make() -> Document:
        page = read_page(dataset, mark, wanted)
        check_unchanged(layer, mark)
        matched = _matched(layer, page, is_all, is_first)
        page = selection.of(page) if selection else page
        found = _page(request, layer, target, page, version, matched)
        return dataclasses.replace(
            found,
            others=FILE_FORMS,
            encode=lambda form: write_file(form, page, schema, dataset, layer, target, selection),
            picture=lambda: sketch([moved(part.geometries, layer, target) for part in page.parts]),
        )

    etag = _version_of(layer, mark)
    return Versioned(etag, GEOJSON, make, FILE_FORMS, lambda: layer_as_it_is(layer))


def item(request: HttpRequest, collection_id: str, feature_id: str, crs: str | None) -> Versioned:
    """Answer one feature."""
    layer = get_layer(request, collection_id)
    target = choose_crs(layer, crs, "crs")
    version = _version_of(layer, fingerprint(layer.path))
    return Versioned(
        version,
        GEOJSON,
        lambda: _feature(request, layer, target, feature_id),
        question=lambda: layer_as_it_is(layer),
    )


def _feature(request: HttpRequest, layer: Layer, target: FeatureCrs, feature_id: str) -> Document:
    found = read_one(layer.to_dataset(), int(feature_id)) if _is_id(feature_id) else None
    if found is None:
        raise NotFoundError(
            say("layer '{layer}' has no feature of this id", layer=layer.pk),
            field="featureId",
            value=feature_id,
        )
    ((number, *texts),) = write_features(found, layer, target)
    geometry, properties = (text.encode(errors="replace") for text in texts)
    own_id = b"%d" % number
    members = {"type": b'"Feature"', "id": own_id, "geometry": geometry, "properties": properties}
    # A feature has links as a foreign member beside its own.
    links = [link(request, "collection", "collection", layer.pk, title=layer.title)]
    return Document(
        f"{layer.title} {feature_id}",
        {"links": links},
        GEOJSON,
        headers={"Content-Crs": target.header},
        written=lambda: members,
        shown=lambda: rows_of(found)[0],
        is_data=True,
        picture=lambda: sketch([moved(found.geometries, layer, target)]),
    )


def _version_of(layer: Layer, mark: str) -> str:
    """Return what changes with what the file holds, and with what the catalogue says of it."""
    return f"{mark} {model_to_dict(layer, exclude=_GROUPS)}"


def _is_id(text: str) -> bool:
    """Tell whether a text is an id as they are written: no sign, no blanks, digits of ASCII."""
    # Python makes no number of thousands of digits.
    is_short = len(text) <= len(str(_MOST_ID))
    return is_short and text.isascii() and text.isdigit() and int(text) <= _MOST_ID


def _page(
    request: HttpRequest,
    layer: Layer,
    target: FeatureCrs,
    page: Page,
    version: str,
    matched: int | None,
) -> Document:
    body: dict[str, Any] = {
        "type": "FeatureCollection",
        "numberReturned": len(page),
        "version": version,
        "links": [link(request, "collection", "collection", layer.pk, title=layer.title)],
    }
    if matched is not None:
        body["numberMatched"] = matched
    if page.next_after is not None:
        body["links"].append(_next(request, write_position(page.next_after, version), page.to_skip))
    return Document(
        layer.title,
        # No timeStamp: it would be another document each second, and never a 304.
        body,
        GEOJSON,
        headers={"Content-Crs": target.header},
        written=lambda: {"features": _written(layer, target, page)},
        shown=lambda: {"features": _rows(request, layer, page)},
    )


def _written(layer: Layer, target: FeatureCrs, page: Page) -> bytes:
    texts = [
        f'{{"type":"Feature","id":{number},"geometry":{geometry},"properties":{properties}}}'
        for part in page.parts
        for number, geometry, properties in write_features(part, layer, target)
    ]
    return ("[" + ",\n".join(texts) + "]").encode(errors="replace")


def _rows(request: HttpRequest, layer: Layer, page: Page) -> list[dict[str, Any]]:
    to_feature = partial(_to_feature, request, layer)
    return [row for part in page.parts for row in rows_of(part, to_feature)]


def _to_feature(request: HttpRequest, layer: Layer, feature_id: int) -> ToFeature:
    title = str(feature_id)
    return ToFeature(
        link(request, "item", "item", layer.pk, feature_id, title=title, query="?f=html")
    )


def _next(request: HttpRequest, after: str, to_skip: int) -> dict[str, Any]:
    query = request.GET.copy()
    query.pop("offset", None)
    query["after"] = after
    if to_skip:
        query["offset"] = str(to_skip)
    href = request.build_absolute_uri(f"{request.path}?{query.urlencode(safe=':/,')}")
    return {"href": href, "rel": "next", "type": GEOJSON, "title": _("The next page")}


def _in_bbox(
    layer: Layer, bbox: list[float] | None, crs: FeatureCrs
) -> tuple[Box | None, Callable[[Any], Any] | None]:
    """Return what a page is to hold of a bbox: the index's box, and the test of what it finds."""
    if bbox is None:
        return None, None
    try:
        boxes = with_turns(checked_boxes(bbox, crs), layer, crs)
    except ValueError as error:
        raise RequestError(error.args[0], field="bbox", value=bbox) from error

    def keeps(geometries: Any) -> Any:
        there = followed(geometries, moved(geometries, layer, crs), layer, crs)
        meets = np.zeros(len(there), bool)
        for box in boxes:
            meets |= shapely.intersects(there, shapely.box(*box))
        # What has no place matches (OGC 17-069r4, 7.15.3).
        return meets | shapely.is_missing(geometries)

    return box_in_layer(boxes, layer, crs), keeps


def _matched(layer: Layer, page: Page, is_all: bool, is_first: bool) -> int | None:
    """Return how many features match, where that is known exactly."""
    if is_all:
        return layer.feature_count
    return len(page) if is_first and page.next_after is None else None
