"""Whether a layer can be served: what would fail a request is told when the layer is added."""

from __future__ import annotations

from dataclasses import replace

import shapely

from marinemap.errors import DatasetError
from marinemap.extraction.arrow_batches import Batch
from marinemap.extraction.dataset import Dataset
from marinemap.extraction.read import Source, open_source
from marinemap.extraction.wkb import are_finite, to_geometries
from marinemap.sentences import say

_NOWHERE = (0.0, 0.0, 0.0, 0.0)


def check_servable(dataset: Dataset) -> None:
    """Refuse a layer that cannot be read to its end; reads all of it.

    Raises
    ------
    DatasetError
        If it is damaged, holds what cannot be served, or has a spatial index that a change left
        behind.
    """
    source = open_source(dataset, [dataset.bounds or _NOWHERE])
    # Not by the index, which is to be compared.
    whole = replace(source, rtree=None, near=None)
    _check_index(source, sum(_present(batch, source.name) for batch in whole.batches()))


def _present(batch: Batch, title: str) -> int:
    """Return how many features lie somewhere; refuse geometries that cannot be parsed."""
    try:
        geometries = to_geometries(batch.geometries)
    except shapely.errors.ShapelyError as error:
        raise DatasetError(
            say("a geometry of {title} is broken: {error}", title=title, error=error),
            field="source",
        ) from error
    # Of none, is_empty says that it is not.
    present = ~shapely.is_missing(geometries) & ~shapely.is_empty(geometries)
    return int((present & are_finite(geometries)).sum())


def _check_index(source: Source, present: int) -> None:
    if source.rtree is None:
        return
    indexed = source.rtree.size()
    if not present <= indexed <= source.dataset.feature_count:
        raise DatasetError(
            say(
                "the spatial index of {name} has {indexed:,} entries for {present:,} "
                "features that lie somewhere: it was left behind by a change",
                name=source.name,
                indexed=indexed,
                present=present,
            ),
            field="source",
            hint=say("Write the layer anew, for instance by ogr2ogr."),
        )
