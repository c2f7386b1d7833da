"""A dry run: what an extraction would give, from the sources' indexes, in a moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyproj
import shapely

from marinemap.extraction.areas.area import Area, parse_area
from marinemap.extraction.filters.filter import Filter
from marinemap.extraction.formats import get_format
from marinemap.extraction.formats.wkb_to_shp import split_collections
from marinemap.extraction.geometry.raster import EDGE, INSIDE, OUTSIDE
from marinemap.extraction.geometry.readable import read_column
from marinemap.extraction.geometry.wkb import kinds
from marinemap.extraction.layers.layer import PreparedLayer, prepare
from marinemap.extraction.left_out import LeftOut, check_readable_share
from marinemap.extraction.reading.arrow_batches import Batch
from marinemap.extraction.reading.opening import find_boxes
from marinemap.extraction.reading.read import Source
from marinemap.extraction.request import ExtractionRequest, SourceLayer
from marinemap.extraction.words import counted
from marinemap.sentences import say

# So few features are read and cut as the extraction would, unless they are this large together:
# some tens of milliseconds.
_FEW_FEATURES = 2_000
_FEW_BYTES = 4_000_000
# Boxes looked at; beyond, every k-th stands for k.
_MOST_BOXES = 20_000
# Features whose fields are looked at where there is a filter: a share is within 2 % of the true
# one, 95 times in 100, if the features are spread evenly over the keys.
_MOST_FILTERED = 2_500
_SAMPLED_FEATURES = 200
_COLLECTION = 7
# Among the parts of a collection: points, lines, polygons.
_MOST_TYPES = 3


@dataclass(frozen=True)
class LayerEstimate:
    """What one layer would give.

    ``features`` is the likely number of features, never below ``features_at_least`` nor above
    ``features_at_most``. ``size_bytes`` is the likely size of its files before
    zipping, without a full copy: mostly within a factor of 1.5. ``warnings`` are
    sentences for a person: what the format would lose, whether the layer would be empty.
    """

    name: str
    features: int
    features_at_least: int
    features_at_most: int
    size_bytes: int
    warnings: tuple[str, ...] = ()

    @property
    def is_exact(self) -> bool:
        """Whether ``features`` is the number itself."""
        return self.features_at_least == self.features_at_most

    @property
    def is_empty(self) -> bool:
        """Whether surely no feature lies within the area and passes the filter."""
        return self.features_at_most == 0


@dataclass(frozen=True)
class _Count:
    likely: int
    at_least: int
    at_most: int


@dataclass(frozen=True)
class _Looked:
    """Features looked at: keys and boxes, and for how many features each stands.

    ``each`` is 0 where they stand for none but themselves: a file may be sorted by place.
    ``at_most`` so many features can lie near the area.
    """

    keys: Any
    boxes: Any
    each: int
    at_most: int


def estimate(request: ExtractionRequest) -> tuple[LayerEstimate, ...]:
    """Tell what a request would give, without writing anything.

    Where at most 2,000 features lie near the area, they are cut and counted. Otherwise the boxes
    in the source's index are compared with the area, and what passes a filter is told from the
    fields of some features. Of a large source without an R-tree, the share of its extent that the
    area covers is taken.

    Raises
    ------
    RequestError
        If the area, the CRS, a field or a filter cannot be used.
    DatasetError
        If a source is missing, broken or unreadable.
    """
    area = request.area if isinstance(request.area, Area) else parse_area(request.area)
    target = request.output_crs(area)
    return tuple(_estimate_layer(request, layer, area, target) for layer in request.layers)


def _estimate_layer(
    request: ExtractionRequest, layer: SourceLayer, area: Area, target: pyproj.CRS | None
) -> LayerEstimate:
    # A coarse grid is made at once, whatever the number of features.
    prepared = prepare(layer, area, request.mode, output=target, features=0, is_hurried=True)
    if not prepared.dataset.feature_count:
        return LayerEstimate(layer.name, 0, 0, 0, 0, (say("The layer holds no features."),))
    sample, is_all = _sample(prepared.source)
    if is_all:
        kept = _cut(sample, prepared)
        check_readable_share(prepared.source.name, LeftOut.of(kept.unreadable), len(sample.ids))
        count = _exactly(_features_of(kept.geometries, request.format))
    else:
        kept = _readable(sample, prepared.selection.schema.names)
        count = _count(prepared, sample)
        if get_format(request.format).parts_collections and prepared.dataset.may_hold_collections:
            count = replace(count, at_most=count.at_most * _MOST_TYPES)
    return LayerEstimate(
        layer.name,
        count.likely,
        count.at_least,
        count.at_most,
        _size(request, prepared, kept, count.likely),
        (*_warnings(request, layer, kept, count), *prepared.warnings),
    )


def _sample(source: Source) -> tuple[Batch, bool]:
    """Return some features near the area, and whether they are all."""
    sample, is_all = source.sample(_SAMPLED_FEATURES)
    read = len(sample.geometries)
    if is_all:
        return sample, True
    enough = min(_FEW_FEATURES, int(_FEW_BYTES * read / _bytes(sample)))
    return source.sample(enough) if enough > read else (sample, False)


def _size(request: ExtractionRequest, layer: PreparedLayer, some: Batch, features: int) -> int:
    """Return how large the layer's files would be, from some of its features."""
    if not features or not len(some.geometries):
        return 0
    is_reprojected = layer.route.output != layer.route.data
    weigh = get_format(request.format).weigh
    return weigh(some.geometries, some.attributes, features, is_reprojected=is_reprojected)


def _cut(batch: Batch, layer: PreparedLayer) -> Batch:
    picked = layer.selection.pick(batch)
    cut = layer.clip(picked.geometries)
    return _taken(picked, cut.column, cut.rows, cut.unreadable)


def _readable(batch: Batch, fields: list[str]) -> Batch:
    """Return the features that can be read, with some fields."""
    read = read_column(batch.geometries)
    rows = np.flatnonzero(~shapely.is_missing(read.geometries))
    chosen = replace(batch, attributes=batch.attributes.select(fields))
    return _taken(chosen, read.column.take(pa.array(rows)), rows, read.unreadable)


def _taken(batch: Batch, geometries: Any, rows: Any, unreadable: Mapping[int, str]) -> Batch:
    return replace(
        batch,
        geometries=geometries,
        attributes=batch.attributes.take(pa.array(rows)),
        ids=batch.ids[rows],
        unreadable=batch.unreadable_with(unreadable),
    )


def _features_of(geometries: Any, format_id: str) -> int:
    """Return how many features a format makes of some geometries."""
    collections = np.flatnonzero(kinds(geometries) == _COLLECTION)
    if not get_format(format_id).parts_collections or not len(collections):
        return len(geometries)
    parted, _ = split_collections(geometries, collections)
    return len(geometries) - len(collections) + len(parted)


def _exactly(features: int) -> _Count:
    return _Count(features, features, features)


def _count(layer: PreparedLayer, sample: Batch) -> _Count:
    """Count by boxes, and by the share of a sample that passes the filter."""
    source, selection = layer.source, layer.selection
    looked = _look(source)
    kind = layer.classify(looked.boxes)
    inside, edge = int((kind == INSIDE).sum()), int((kind == EDGE).sum())
    likely = (inside + edge / 2) * looked.each
    if looked.each == 0:
        likely = source.dataset.feature_count * _covered(layer)
    at_most = inside + edge if looked.each == 1 else looked.at_most
    if selection.filter is None:
        return _Count(max(round(likely), inside), inside, at_most)
    attributes = sample.attributes
    if source.rtree:
        near = looked.keys[kind != OUTSIDE]
        attributes = source.attributes_of(near[:: 1 + len(near) // _MOST_FILTERED].tolist())
    return _Count(round(likely * _share(selection.filter, attributes)), 0, at_most)


def _share(wanted: Filter, attributes: Any) -> float:
    """Return the share of features that pass a filter, 0 to 1."""
    return float(np.mean(wanted.passes(attributes))) if attributes.num_rows else 0.0


def _look(source: Source) -> _Looked:
    """Return the boxes of features near the area: all, or some spread evenly, or the first."""
    if source.rtree:
        most = source.rtree.count(source.boxes)
        every = 1 + most // _MOST_BOXES
        keys, boxes = source.rtree.boxes(source.boxes, every)
        return _Looked(keys, boxes, every, min(most, source.dataset.feature_count))
    keys, boxes = find_boxes(source.dataset, source.box, _MOST_BOXES)
    each = 1 if len(keys) < _MOST_BOXES else 0
    return _Looked(keys, boxes, each, source.dataset.feature_count)


def _covered(layer: PreparedLayer) -> float:
    """Return the share of the layer's box that the area covers, 0 to 1."""
    if layer.dataset.bounds is None or layer.clipper is None:
        return 0.0
    extent = shapely.box(*layer.dataset.bounds)
    if not extent.area:
        return 1.0
    return float(shapely.intersection(layer.clipper.area, extent).area / extent.area)


def _bytes(batch: Batch) -> int:
    return int(batch.geometries.nbytes + batch.attributes.nbytes)


def _warnings(
    request: ExtractionRequest, layer: SourceLayer, kept: Batch, count: _Count
) -> list[str]:
    if not count.at_most and layer.filter is not None:
        return [say("No feature of this layer lies within the area and passes the filter.")]
    if not count.at_most:
        return [say("No feature of this layer lies within the area.")]
    seen = len(kept.geometries)
    losses = get_format(request.format).foresee(kept.attributes)
    found = [(loss.detail, loss.count) for loss in losses]
    if kept.unreadable:
        lost = LeftOut.of(kept.unreadable)
        told = say("{features} cannot be read: {ids}", features=counted(lost.count), ids=lost.ids)
        found.insert(0, (told, lost.count))
    return [_whole(what, seen if many and seen != count.at_most else None) for what, many in found]


def _whole(what: str, seen: int | None) -> str:
    """Return a warning as a sentence; with the number of features looked at, if not at all."""
    if seen is None:
        return say("{what}.", what=what)
    return say("Of {seen:,} features looked at: {what}.", seen=seen, what=what)
