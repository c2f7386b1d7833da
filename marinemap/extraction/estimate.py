"""A dry run: what an extraction would give, from the sources' indexes, in a moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyogrio
import pyproj

from marinemap.extraction.area import Area, parse_area
from marinemap.extraction.clip import Clipper
from marinemap.extraction.dataset import Dataset, describe
from marinemap.extraction.formats.plan import IntegersNeedText
from marinemap.extraction.formats.table import ShapefileTable
from marinemap.extraction.grid import EDGE, INSIDE
from marinemap.extraction.near import area_near
from marinemap.extraction.read import Source, open_source
from marinemap.extraction.request import ExtractionRequest, SourceLayer

# Boxes looked at; beyond, every k-th stands for k.
_MOST_BOXES = 20_000
_SAMPLED_FEATURES = 200
# A .shp record of a polygon is this much longer than its WKB.
_RECORD_BYTES = 43


@dataclass(frozen=True)
class LayerEstimate:
    """What one layer would give.

    ``features`` is the likely number of features, never below ``features_at_least`` nor above
    ``features_at_most``. ``size_bytes`` is the likely size before zipping. ``warnings`` are
    sentences for a person: what the format would lose, whether the layer would be empty.
    """

    name: str
    features: int
    features_at_least: int
    features_at_most: int
    size_bytes: int
    warnings: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether surely no feature lies within the area."""
        return self.features_at_most == 0


def estimate(request: ExtractionRequest) -> tuple[LayerEstimate, ...]:
    """Tell what a request would give, without cutting or writing anything.

    An attribute filter is not applied, so that the figures are too high where there is one.

    Raises
    ------
    RequestError
        If the area or a field cannot be used.
    DatasetError
        If a source is missing, broken or unreadable.
    """
    area = request.area if isinstance(request.area, Area) else parse_area(request.area)
    return tuple(_estimate_layer(request, layer, area) for layer in request.layers)


def _estimate_layer(request: ExtractionRequest, layer: SourceLayer, area: Area) -> LayerEstimate:
    dataset = describe(layer.path, layer.layer)
    if not dataset.feature_count:
        return LayerEstimate(layer.name, 0, 0, 0, 0, ("The layer holds no features.",))
    outline = area_near(area, pyproj.CRS.from_user_input(dataset.crs), dataset.bounds)
    clipper = Clipper(outline, features=0)
    source = open_source(dataset, clipper.grid.cover(), layer.fields)
    boxes, each = _boxes(source, dataset)
    kind = clipper.grid.classify(boxes) if len(boxes) else np.zeros(0)
    inside, edge = int((kind == INSIDE).sum()) * each, int((kind == EDGE).sum()) * each
    features = inside + edge // 2
    return LayerEstimate(
        name=layer.name,
        features=features,
        features_at_least=inside if each == 1 else 0,
        features_at_most=inside + edge,
        size_bytes=int(features * _bytes_each(source)) if features else 0,
        warnings=tuple(_warnings(request, source, inside + edge)),
    )


def _boxes(source: Source, dataset: Dataset) -> tuple[Any, int]:
    """Return boxes near the area, and how many features each stands for."""
    if source.rtree:
        each = 1 + source.rtree.count(source.boxes) // _MOST_BOXES
        return source.rtree.boxes(source.boxes, each), each
    each = 1 + dataset.feature_count // _MOST_BOXES
    _, found = pyogrio.read_bounds(
        dataset.path, layer=dataset.layer, bbox=source.box, max_features=_MOST_BOXES
    )
    return found.T, each


def _bytes_each(source: Source) -> float:
    batch = source.sample(_SAMPLED_FEATURES)
    count = len(batch.geometries)
    total = batch.geometries.nbytes + batch.attributes.nbytes + _RECORD_BYTES * count
    return total / count if count else 0.0


def _warnings(request: ExtractionRequest, source: Source, at_most: int) -> list[str]:
    if not at_most:
        return ["No feature of this layer lies within the area."]
    if request.format != "shapefile":
        return []
    attributes = source.sample(_SAMPLED_FEATURES).attributes
    table = ShapefileTable(attributes.schema, frozenset())
    warnings = [
        f"'{old}' would be named '{new}'." for old, new in table.names.items() if old != new
    ]
    try:
        table.texts(attributes, 1)
    except IntegersNeedText as need:
        warnings.append(f"'{need.field}' has integers of more than 15 digits; they become text.")
    return warnings + [loss.detail for loss in table.losses()]
