"""Whether a layer can be served: what would fail a request is told when the layer is added."""

from __future__ import annotations

import shapely

from marinemap.errors import DatasetError
from marinemap.extraction.dataset import Dataset
from marinemap.extraction.geometry.readable import read_column
from marinemap.extraction.geometry.wkb import are_finite
from marinemap.extraction.left_out import LeftOut, check_readable_share
from marinemap.extraction.reading.read import Source, open_source
from marinemap.sentences import say

_NOWHERE = (0.0, 0.0, 0.0, 0.0)


def check_servable(dataset: Dataset) -> LeftOut:
    """Refuse a layer that cannot be read to its end; reads all of it.

    Returns
    -------
    LeftOut
        The features that every extract will be without: their geometries cannot be read.

    Raises
    ------
    DatasetError
        If it is damaged, holds what cannot be served, or has a spatial index that a change left
        behind.
    """
    source = open_source(dataset, [dataset.bounds or _NOWHERE])
    # Not by the index, which is to be compared.
    whole = source.whole()
    unreadable, present = whole.unreadable, 0
    for batch in whole.batches():
        read = read_column(batch.geometries)
        there = ~shapely.is_missing(read.geometries) & ~shapely.is_empty(read.geometries)
        present += int((there & are_finite(read.geometries)).sum())
        unreadable += LeftOut.of(batch.unreadable_with(read.unreadable))
    check_readable_share(source.name, unreadable, dataset.feature_count)
    _check_index(source, present)
    return unreadable


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
