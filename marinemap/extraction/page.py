"""A page of features: read by keys, filtered, and bounded in time and bytes."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyproj

from marinemap.errors import DatasetError
from marinemap.extraction.arrow_batches import binary, check_text, geometry_place
from marinemap.extraction.curves import linear
from marinemap.extraction.dataset import Dataset
from marinemap.extraction.filter import Filter
from marinemap.extraction.opening import find_own_key, open_layer, rows_within
from marinemap.extraction.page_keys import BEGINNING, Box, Candidates, keys_of
from marinemap.extraction.postgis.table import Place
from marinemap.extraction.source_files import one_state, real_path
from marinemap.extraction.wkb import to_geometries

Array = np.ndarray[Any, Any]
# A page ends early rather than take more than this.
_MOST_BYTES = 8 << 20
_MOST_SECONDS = 1.0
_MOST_AT_ONCE = 8_192
_MOST_LOOKED_AT = 131_072
# A geometry's arcs become lines that run this close to them, in degrees and in metres.
_TOLERANCE_DEGREES, _TOLERANCE_METRES = 1e-7, 0.01


@dataclass(frozen=True)
class Features:
    """Features row by row: their ids, geometries (shapely; None for none) and attributes."""

    ids: Array
    geometries: Array
    attributes: Any
    cursors: Array

    def __len__(self) -> int:
        return len(self.ids)

    def pick(self, rows: Any) -> Features:
        """Return some of the rows, by a mask or a slice."""
        places = np.arange(len(self))[rows]
        return Features(
            self.ids[places],
            self.geometries[places],
            self.attributes.take(pa.array(places)),
            self.cursors[places],
        )


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
    with one_state(real_path(dataset.path)) as place:
        return _read_page(dataclasses.replace(dataset, path=place), mark, wanted)


def _read_page(dataset: Dataset, mark: str, wanted: Wanted) -> Page:
    deadline = time.monotonic() + _MOST_SECONDS
    keys = keys_of(dataset, mark, wanted.box, wanted.filters)
    parts: list[Features] = []
    found, read_bytes, after, skip = 0, 0, wanted.after, wanted.skip
    if skip and not wanted.filters and wanted.keeps is None:
        after, skip = keys.skip(after, skip), 0
    plain = [each for each in wanted.filters if not each.is_spatial]
    spatial = [each for each in wanted.filters if each.is_spatial]
    count = min(wanted.limit + 1, _rows_at_once(dataset))
    while found <= wanted.limit:
        candidates = keys.after(after, count)
        if len(candidates.cursors) == 0:
            return _page(parts, wanted.limit, None, skip)
        for chosen in _chosen(dataset, candidates, plain):
            read, size = _read(dataset, chosen)
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
        most = _MOST_LOOKED_AT if plain else _rows_at_once(dataset)
        count = min(count * 2, most) if wanted.filters or wanted.keeps else count
    return _page(parts, wanted.limit, after, skip)


def read_one(dataset: Dataset, feature_id: int) -> Features | None:
    """Return one feature by its id, None where there is none.

    Raises
    ------
    DatasetError
        If the layer cannot be read.
    """
    dataset = dataclasses.replace(dataset, path=real_path(dataset.path))
    ids = np.array([feature_id], np.int64)
    found, _ = _read(dataset, Candidates(ids, {"fids": ids}))
    return found if len(found) else None


def attributes_schema(dataset: Dataset) -> Any:
    """Return the pyarrow.Schema of a layer's attributes.

    Raises
    ------
    DatasetError
        If the layer cannot be read.
    """
    dataset = dataclasses.replace(dataset, path=real_path(dataset.path))
    first = Candidates(np.zeros(1, np.int64), {"skip_features": 0, "max_features": 1})
    return _read(dataset, first)[0].attributes.schema


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
    dataset: Dataset, candidates: Candidates, filters: Sequence[Filter]
) -> Iterator[Candidates]:
    """Yield the candidates that pass the filters, in parts that are small enough to be read."""
    if not filters:
        yield candidates
        return
    fields = {name for each in filters for name in each.fields} - {find_own_key(*_place(dataset))}
    looked_at = {"columns": sorted(fields), "read_geometry": False}
    id_name, table = _table(dataset, {**candidates.wanted, **looked_at})
    ids = np.asarray(table.column(id_name)).astype(np.int64)
    passes = np.ones(len(ids), bool)
    for each in filters:
        masks = [np.asarray(each.passes(batch)) for batch in table.to_batches()]
        passes &= np.concatenate([np.zeros(0, bool), *masks])
    order = np.argsort(ids, kind="stable")
    cursors, ids = candidates.cursors[: len(ids)][passes[order]], ids[order][passes[order]]
    step = _rows_at_once(dataset)
    for first in range(0, len(ids), step):
        part = slice(first, first + step)
        yield Candidates(cursors[part], {"fids": ids[part]})


def _read(dataset: Dataset, candidates: Candidates) -> tuple[Features, int]:
    """Return features, and how many bytes their geometries have."""
    id_name, table = _table(dataset, candidates.wanted)
    _check_ids(dataset, candidates, table)
    for name in (
        each.name for each in table.schema if each.type in (pa.string(), pa.large_string())
    ):
        check_text(dataset.title, name, table.column(name))
    names = table.schema.names
    place = geometry_place(table.schema)
    ids = np.asarray(table.column(id_name)).astype(np.int64)
    column = table.column(place).combine_chunks()
    wkb = binary(column)
    wkb = wkb.combine_chunks() if isinstance(wkb, pa.ChunkedArray) else wkb
    straight, _ = linear(wkb, _tolerance(dataset), dataset.title)
    # A column of keys that has a name of the data's own is a field as well.
    is_field = id_name == find_own_key(*_place(dataset))
    dropped = [names[place], *([] if is_field else [id_name])]
    found = Features(ids, to_geometries(straight), table.drop_columns(dropped), ids)
    # They come in an order of the driver's own; cursors rise with ids.
    found = found.pick(np.argsort(ids, kind="stable"))
    return dataclasses.replace(found, cursors=candidates.cursors[: len(ids)]), wkb.nbytes


def _check_ids(dataset: Dataset, candidates: Candidates, table: Any) -> None:
    """Refuse to look up features by ids that several have, against what its driver promises."""
    if "fids" in candidates.wanted and table.num_rows > len(candidates.cursors):
        raise DatasetError(
            f"several features of {dataset.title} have the same id, so that they cannot be found "
            "by place, filter or id",
            field="source",
            hint="Ask for all features in pages, or for an extract of the area.",
        )


def _table(dataset: Dataset, wanted: Mapping[str, Any]) -> tuple[str, Any]:
    # By default GDAL makes room for 65,536 rows, which takes longer than a page of a hundred.
    count = len(wanted["fids"]) if "fids" in wanted else wanted["max_features"]
    rows = min(max(1, count), _MOST_LOOKED_AT)
    return open_layer(dataset).table_by_ids({"batch_size": rows, **wanted})


def _place(dataset: Dataset) -> tuple[Place, str]:
    return dataset.path, dataset.layer


def _rows_at_once(dataset: Dataset) -> int:
    return min(_MOST_AT_ONCE, rows_within(dataset, _MOST_BYTES))


def _tolerance(dataset: Dataset) -> float:
    crs = pyproj.CRS.from_user_input(dataset.crs)
    return _TOLERANCE_DEGREES if crs.is_geographic else _TOLERANCE_METRES
