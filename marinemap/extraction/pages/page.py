"""A page of features: read by keys, filtered, and bounded in time and bytes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from marinemap.extraction.dataset import Dataset
from marinemap.extraction.filters.filter import Filter
from marinemap.extraction.pages.keys import BEGINNING, Box, Candidates, keys_of
from marinemap.extraction.pages.rows import Features, read_features
from marinemap.extraction.pages.source import PageSource, opened

Array = np.ndarray[Any, Any]
# A page ends early rather than take more than this.
_MOST_BYTES = 8 << 20
_MOST_SECONDS = 1.0
_MOST_LOOKED_AT = 131_072


@dataclass(frozen=True)
class Page:
    """Some features, and where to go on; ``next_after`` is None on the last page.

    ``to_skip`` is how many of those that were to be passed over are still to come.
    """

    parts: Sequence[Features]
    next_after: int | None
    to_skip: int = 0

    def __len__(self) -> int:
        return sum(map(len, self.parts))


@dataclass(frozen=True)
class Wanted:
    """What a page is to hold.

    Parameters
    ----------
    limit : int
        At most so many features.
    after : int
        Where the page before ended.
    skip : int
        How many features to pass over from there; of many with a filter each is looked at.
    box : (minx, miny, maxx, maxy), optional
        In the layer's CRS: features whose box touches it.
    filters : sequence of Filter
        Every one of them has to let a feature pass.
    keeps : callable, optional
        Tells of geometries, an array, which are wanted.
    """

    limit: int
    after: int = BEGINNING
    skip: int = 0
    box: Box | None = None
    filters: Sequence[Filter] = ()
    keeps: Callable[[Array], Array] | None = None


def read_page(dataset: Dataset, mark: str, wanted: Wanted) -> Page:
    """Return a page of features, in an order that is the same each time.

    Its cost does not depend on how many pages came before. Where few features pass, the page ends
    after a second with those that were found, and the next goes on from there.

    Parameters
    ----------
    dataset : Dataset
    mark : str
        Changes with the data.
    wanted : Wanted

    Raises
    ------
    DatasetError
        If the layer cannot be read.
    """
    with opened(dataset, mark) as source:
        return _read_page(source, wanted)


def _read_page(source: PageSource, wanted: Wanted) -> Page:
    deadline = time.monotonic() + _MOST_SECONDS
    keys = keys_of(source, wanted.box, wanted.filters)
    parts: list[Features] = []
    found, read_bytes, after, skip = 0, 0, wanted.after, wanted.skip
    if skip and not wanted.filters and wanted.keeps is None:
        after, skip = keys.skip(after, skip), 0
    plain = [each for each in wanted.filters if not each.is_spatial]
    spatial = [each for each in wanted.filters if each.is_spatial]
    count = min(wanted.limit + 1, source.rows_at_once)
    while found <= wanted.limit:
        candidates = keys.after(after, count)
        if len(candidates.cursors) == 0:
            return _page(parts, wanted.limit, None, skip)
        for chosen in _chosen(source, candidates, plain):
            read, size = read_features(source, chosen)
            passing = _passing(read, spatial, wanted.keeps)
            parts.append(passing.pick(slice(skip, None)) if skip else passing)
            skip = max(0, skip - len(passing))
            found, read_bytes = found + len(parts[-1]), read_bytes + size
            after = int(chosen.cursors[-1])
            if found > wanted.limit or read_bytes > _MOST_BYTES:
                return _page(parts, wanted.limit, after, skip)
        after = int(candidates.cursors[-1])
        if time.monotonic() > deadline:
            return _page(parts, wanted.limit, after, skip)
        # Attributes alone are read where there is a filter, of more and more features.
        most = _MOST_LOOKED_AT if plain else source.rows_at_once
        count = min(count * 2, most) if wanted.filters or wanted.keeps else count
    return _page(parts, wanted.limit, after, skip)


def read_one(dataset: Dataset, feature_id: int) -> Features | None:
    """Return one feature by its id, None where there is none.

    Raises
    ------
    DatasetError
        If the layer cannot be read.
    """
    ids = np.array([feature_id], np.int64)
    with opened(dataset) as source:
        found, _ = read_features(source, Candidates(ids, {"fids": ids}))
    return found if len(found) else None


def attributes_schema(dataset: Dataset) -> Any:
    """Return the pyarrow.Schema of a layer's attributes.

    Raises
    ------
    DatasetError
        If the layer cannot be read.
    """
    with opened(dataset) as source:
        return source.schema


def _page(parts: list[Features], limit: int, after: int | None, skip: int) -> Page:
    """Return the page with no more features than wanted; it goes on after its last."""
    kept, room = [], limit
    for part in parts:
        if len(part) > room:
            part = part.pick(slice(0, room))
            kept.append(part)
            last = next((each for each in reversed(kept) if len(each)), None)
            return Page(kept, int(last.cursors[-1]) if last else after)
        kept.append(part)
        room -= len(part)
    return Page(kept, after, skip)


def _passing(
    read: Features, spatial: Sequence[Filter], keeps: Callable[[Array], Array] | None
) -> Features:
    """Return the features whose geometry was asked for."""
    if keeps is not None:
        read = read.pick(keeps(read.geometries))
    for each in spatial if len(read) else ():
        fields = read.attributes.select(list(each.fields)).combine_chunks().to_batches()
        read = read.pick(np.asarray(each.passes(fields[0] if fields else None, read.geometries)))
    return read


def _chosen(
    source: PageSource, candidates: Candidates, filters: Sequence[Filter]
) -> Iterator[Candidates]:
    """Yield the candidates that pass the filters, in parts that are small enough to be read."""
    if not filters:
        yield candidates
        return
    fields = {name for each in filters for name in each.fields} - {source.own_key}
    looked_at = {"columns": sorted(fields), "read_geometry": False}
    id_name, table = source.read_by_gdal({**candidates.wanted, **looked_at})
    ids = np.asarray(table.column(id_name)).astype(np.int64)
    passes = np.ones(len(ids), bool)
    for each in filters:
        masks = [np.asarray(each.passes(batch)) for batch in table.to_batches()]
        passes &= np.concatenate([np.zeros(0, bool), *masks])
    order = np.argsort(ids, kind="stable")
    cursors, ids = candidates.cursors[: len(ids)][passes[order]], ids[order][passes[order]]
    step = source.rows_at_once
    for first in range(0, len(ids), step):
        part = slice(first, first + step)
        yield Candidates(cursors[part], {"fids": ids[part]})
