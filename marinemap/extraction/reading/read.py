"""Stream features out of a source as Arrow batches, filtered by boxes in the source's index."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyproj

from marinemap.errors import DatasetError
from marinemap.extraction.dataset import Dataset
from marinemap.extraction.filters.filter import Filter
from marinemap.extraction.geopackage.rtree_nodes import KeySet, Near
from marinemap.extraction.left_out import LeftOut
from marinemap.extraction.postgis.table import Table
from marinemap.extraction.reading.arrow_batches import (
    Batch,
    check_texts,
    geometry_place,
    make_batch,
    pieces_of,
    without,
    without_geometries,
)
from marinemap.extraction.reading.gdal_layer import Wanted
from marinemap.extraction.reading.opening import (
    Box,
    OpenLayer,
    SpatialIndex,
    find_index,
    find_own_key,
    open_layer,
)
from marinemap.extraction.reading.passed_over import finder_of, passed_over
from marinemap.extraction.reading.prefetch import prefetched
from marinemap.extraction.sources import source_format_of
from marinemap.extraction.sources.shapefile_check import check_rows
from marinemap.extraction.sources.shapefile_records import Records, check_records
from marinemap.sentences import say

_BATCHES_AHEAD = 1
# Of a sample, though it be one feature.
_SAMPLED_BYTES = 8 << 20


@dataclass(frozen=True)
class Source:
    """A layer, ready to be read around an area.

    Parameters
    ----------
    dataset : Dataset
    boxes : sequence of (minx, miny, maxx, maxy)
        In the layer's CRS; features whose box touches none of them are not read.
    columns : sequence of str, optional
        The fields to read; all by default.
    near : callable, optional
        Tells of boxes (minx, miny, maxx, maxy), shape (n, 4), which may hold something wanted,
        where ``boxes`` say it too loosely; asked where the source has an R-tree.
    rtree : SpatialIndex, optional
        The source's spatial index, if any that is asked here.
    key : str, optional
        The column of keys, where it has a name of the data's own: then it is a field.
    is_whole : bool
        Whether all features are read, wherever they lie; see :meth:`whole`.
    """

    dataset: Dataset
    boxes: Sequence[Box]
    columns: Sequence[str] | None = None
    near: Near | None = None
    rtree: SpatialIndex | None = None
    key: str | None = None
    is_whole: bool = False

    def whole(self) -> Source:
        """Return the layer to be read without asking any index, beyond its stated box as well."""
        return replace(self, near=None, rtree=None, is_whole=True)

    @property
    def name(self) -> str:
        """What to call the layer in a message."""
        return self.dataset.title

    @property
    def box(self) -> Box:
        """The one box around all boxes."""
        west, south, east, north = zip(*self.boxes, strict=True)
        return min(west), min(south), max(east), max(north)

    @property
    def expected(self) -> int | None:
        """About how many features will be read, where the source's index can tell."""
        if self._keys is not None:
            return len(self._keys)
        if self.rtree is None:
            return None
        return self.rtree.expect(self.boxes, self.dataset.bounds, self.dataset.feature_count)

    @property
    def without_position(self) -> int:
        """How many features of the layer lie nowhere, where that is known before it is read.

        Of a shapefile they are all counted; a GeoPackage's index leaves them out. Of other
        sources, which are read whole, the batches tell.

        Raises
        ------
        DatasetError
            If a shapefile is damaged.
        """
        if self._layer.is_shapefile:
            return self._records.nowhere
        if self.rtree is None:
            return 0
        placed = self.dataset.placed_count
        if placed is None:
            placed = self.rtree.size()
        return max(0, self.dataset.feature_count - placed)

    @property
    def counts_not_finite(self) -> bool:
        """Whether ``without_position`` counts all that have a coordinate that is no number."""
        return self._layer.is_shapefile

    @property
    def unreadable(self) -> LeftOut:
        """The features of the layer whose geometry cannot be read, where that is known before.

        Of a shapefile all of them; of other sources the batches tell.

        Raises
        ------
        DatasetError
            If a shapefile is damaged.
        """
        return LeftOut.of(self._records.unreadable) if self._layer.is_shapefile else LeftOut()

    def count_near(self, read: int) -> int:
        """Return how many features lie near the area, of so many that were read.

        Where all of a sound file are read, by the boxes that it keeps, if any.

        Raises
        ------
        DatasetError
            If the file changes meanwhile.
        """
        path = self.dataset.path
        if self.near is None or not self._is_read_whole or not isinstance(path, Path):
            return read
        boxes = source_format_of(path).boxes(path)
        if boxes is None:
            return read
        return sum(int(self.near(some).sum()) for some in boxes)

    def schema(self) -> Any:
        """Return the pyarrow.Schema of the attributes.

        Raises
        ------
        DatasetError
            If GDAL cannot read the layer.
        """
        with self._some(1) as (_, reader):
            # Behind the fields are the ids.
            fields = reader.schema.remove(len(reader.schema) - 1)
            return fields.remove(geometry_place(fields))

    def sample(self, features: int) -> tuple[Batch, bool]:
        """Return the first features, and whether they are all that lie near.

        So many at most, and fewer where they are large.

        Raises
        ------
        DatasetError
            If GDAL cannot read the layer.
        """
        found: list[Any] = []
        with self._some(features) as (_, reader):
            for batch in reader:
                found.append(batch)
                if sum(each.num_rows for each in found) >= features or _are_large(found):
                    return self._joined(found, reader.schema, features), False
            return self._joined(found, reader.schema, features), True

    def attributes_of(self, keys: Sequence[int]) -> Any:
        """Return the attributes (pyarrow.Table) of features named by their keys in the R-tree.

        Raises
        ------
        DatasetError
            If GDAL cannot read the layer, or it has no R-tree.
        """
        if self.rtree is None:
            raise DatasetError(say("{name} has no R-tree", name=self.name), field="source")
        return self._layer.attributes(self.rtree.condition_of(keys))

    @property
    def steps(self) -> int:
        """In how many steps the features are asked for, each of which can be taken by itself.

        1 where they are asked for at once.

        Raises
        ------
        DatasetError
            If the spatial index is damaged.
        """
        if self.rtree is None or self._keys is None:
            return 1
        return self.rtree.count_conditions(self._keys)

    def take_steps(self, first: int, end: int) -> Iterator[Batch]:
        """Yield the features of some of several steps, the same batches as all of them have.

        Raises
        ------
        DatasetError
            If the layer cannot be read.
        """
        assert self.rtree is not None and self._keys is not None, "a layer of one step"
        conditions = self.rtree.conditions(self._keys, first, end)
        return self._read({"where": condition} for condition in conditions)

    def batches(self) -> Generator[Batch]:
        """Yield the features, read ahead in a thread of its own.

        Raises
        ------
        DatasetError
            If the layer cannot be read to its end.
        """
        if isinstance(self.dataset.path, Path):
            source_format_of(self.dataset.path).check(self.dataset.path)
        with prefetched(self._read(self._filters()), _BATCHES_AHEAD) as batches:
            yield from batches

    @cached_property
    def _layer(self) -> OpenLayer:
        return open_layer(self.dataset, self.columns, self.key)

    @property
    def _is_read_whole(self) -> bool:
        """Whether no index is asked: one that lies would hide features."""
        path = self.dataset.path
        has_index = isinstance(path, Table) or source_format_of(path).has_index
        return self.rtree is None and not has_index

    @cached_property
    def _tolerance(self) -> float:
        """A centimetre, in the units of the coordinates."""
        crs = pyproj.CRS.from_user_input(self.dataset.crs)
        if crs.is_geographic:
            return 1e-7
        return 0.01 / (crs.axis_info[0].unit_conversion_factor or 1.0)

    @cached_property
    def _records(self) -> Records:
        check_rows(self.dataset.file)
        return check_records(self.dataset.file)

    @cached_property
    def _keys(self) -> KeySet | None:
        if self.rtree is None or self.near is None:
            return None
        try:
            return self.rtree.keys_near(self.near)
        except (ValueError, sqlite3.Error) as error:
            raise DatasetError(
                say("the spatial index of {name} is damaged: {error}", name=self.name, error=error),
                field="source",
                hint=say("Write the layer anew, for instance by ogr2ogr, or ask for a whole copy."),
            ) from error

    def _read(self, filters: Iterable[Wanted]) -> Iterator[Batch]:
        is_whole, count, ids = self._is_read_whole, 0, [np.zeros(0, np.int64)]
        find = finder_of(self.dataset) if is_whole else None
        skipped = self._records.unreadable if self._layer.is_shapefile else ()
        for wanted in filters:
            for batch in self._layer.stream(wanted):
                count += batch.num_rows
                for piece in pieces_of(batch):
                    read = self._batch(piece)
                    if find is not None:
                        ids.append(read.ids)
                    check_texts(read, self.name)
                    yield without(read, skipped) if skipped else read
        # Of a shapefile deleted rows are stated as well.
        is_file = isinstance(self.dataset.path, Path) and not self._layer.is_shapefile
        if (is_whole or (self.is_whole and is_file)) and count != self.dataset.feature_count:
            missing = passed_over(self.dataset, count, find, np.concatenate(ids))
            yield without_geometries(missing, self.schema())

    def _batch(self, batch: Any) -> Batch:
        try:
            # What the index or the table of a file counts is not counted again.
            return make_batch(
                batch,
                self._tolerance,
                is_indexed=self.rtree is not None,
                counts_nowhere=self._is_read_whole,
            )
        except pa.ArrowInvalid as error:
            raise self._layer.unreadable(error) from error

    def _joined(self, batches: Sequence[Any], schema: pa.Schema, most: int) -> Batch:
        table = pa.Table.from_batches(batches, schema).slice(0, most).combine_chunks()
        whole = table.to_batches() or [pa.RecordBatch.from_pylist([], schema=schema)]
        return self._batch(whole[0])

    def _filters(self) -> Iterator[Wanted]:
        """Yield what to ask GDAL for, part by part, so that it begins to answer at once."""
        if self._is_read_whole or self.is_whole:
            yield {}
        elif self.rtree is None:
            yield {"bbox": self.box}
        elif self._keys is None:
            yield {"where": self.rtree.condition(self.boxes)}
        else:
            yield from ({"where": part} for part in self.rtree.conditions(self._keys))

    def _some(self, features: int) -> AbstractContextManager[Any]:
        """Open the layer for some features, whichever are found first."""
        if self.rtree:
            return self._layer.open({"where": self.rtree.condition(self.boxes, features)}, features)
        return self._layer.open({"bbox": self.box}, features)


def _are_large(batches: Sequence[Any]) -> bool:
    return bool(sum(batch.nbytes for batch in batches) >= _SAMPLED_BYTES)


def open_source(
    dataset: Dataset,
    boxes: Sequence[Box],
    columns: Sequence[str] | None = None,
    near: Near | None = None,
    passing: Filter | None = None,
) -> Source:
    """Return a layer ready to be read, with its R-tree where it has one; see ``Source``.

    Features that cannot pass a filter may be left out where the index is a server's.
    """
    rtree = find_index(dataset.path, dataset.layer)
    if rtree is not None and passing is not None:
        rtree = rtree.narrowed([passing.tree])
    return Source(dataset, boxes, columns, near, rtree, find_own_key(dataset.path, dataset.layer))
