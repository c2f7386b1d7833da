"""A GeoParquet that is open: its row groups, their boxes, and their rows some at a time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from marinemap.errors import DatasetError, quote
from marinemap.extraction.geoparquet.columns import Column
from marinemap.extraction.geoparquet.failures import reading
from marinemap.extraction.geoparquet.metadata import GeoColumn, Leaf
from marinemap.extraction.geoparquet.statistics import limits_of, nulls_in, with_reach
from marinemap.sentences import say

# Rows are decoded so many at a time, fewer where they are large.
_MOST_ROWS, _BATCH_BYTES = 8_192, 6 << 20
_TEXTS = (pa.string(), pa.large_string(), pa.binary(), pa.large_binary())

Array = np.ndarray[Any, Any]
Announce = Callable[[Sequence[tuple[int, int]]], None]


@dataclass(frozen=True)
class GeoParquet:
    """A file that is open for reading.

    Parameters
    ----------
    parquet : pyarrow.parquet.ParquetFile
    geometry : GeoColumn
    title : str
        What to call it in a message.
    announce : callable
        Told which pieces (place, length) are read next.
    """

    parquet: Any
    geometry: GeoColumn
    title: str
    announce: Announce | None = None

    @property
    def rows(self) -> int:
        """How many features it states."""
        return int(self.parquet.metadata.num_rows)

    @property
    def groups(self) -> int:
        """How many row groups it has."""
        return int(self.parquet.metadata.num_row_groups)

    @cached_property
    def starts(self) -> Array:
        """At which row each group begins, and where the last ends."""
        metadata = self.parquet.metadata
        counts = [metadata.row_group(group).num_rows for group in range(self.groups)]
        return np.concatenate([[0], np.cumsum(np.array(counts, np.int64))]).astype(np.int64)

    @cached_property
    def fields(self) -> tuple[Column, ...]:
        """The columns that are fields of features."""
        schema, hidden = self.parquet.schema_arrow, self.geometry.hidden
        return tuple(Column(each.name, each.type) for each in schema if each.name not in hidden)

    @cached_property
    def leaves(self) -> dict[Leaf, int]:
        """The places of the columns that hold values, by the ways to them."""
        schema = self.parquet.schema
        return {tuple(schema.column(n).path.split(".")): n for n in range(len(schema.names))}

    @cached_property
    def group_boxes(self) -> Array:
        """The box of each row group by its columns' statistics, shape (groups, 4); NaN for none.

        An index of the file's own is needed (``geometry.sides``).
        """
        found = self._limits[:, :4]
        is_unknown = np.isnan(found).any(axis=1, keepdims=True)
        return np.where(is_unknown, np.nan, self._outward(found))

    @cached_property
    def group_reach(self) -> Array:
        """The same, but no feature lies beyond: NaN too where one may lie anywhere."""
        found = with_reach(self.group_boxes, self._limits)
        without_box = self._limits[:, 6].tolist()
        for group, count in enumerate(without_box):
            if count and count > self._nowhere_in(group):
                found[group] = np.nan
        return found

    @cached_property
    def _limits(self) -> Array:
        groups = (self.parquet.metadata.row_group(group) for group in range(self.groups))
        found = [limits_of(group, self.side_places) for group in groups]
        return np.array(found, float).reshape(-1, 7)

    @cached_property
    def side_places(self) -> list[int]:
        """The places of the columns of boxes.

        Raises
        ------
        DatasetError
            If the file names others than it has.
        """
        sides = self.geometry.sides or ()
        missing = [".".join(side) for side in sides if side not in self.leaves]
        if missing:
            raise DatasetError(
                say(
                    "{title} has no column '{missing}', which it states as a side of its "
                    "features' boxes",
                    title=self.title,
                    missing=quote(missing[0]),
                ),
                field="source",
            )
        return [self.leaves[side] for side in sides]

    def without_geometry(self) -> int:
        """Return how many features have no geometry, by the statistics; 0 where they are silent."""
        return sum(self._nowhere_in(group) for group in range(self.groups))

    def _nowhere_in(self, group: int) -> int:
        name = self.geometry.name
        place = next((n for leaf, n in self.leaves.items() if leaf[0] == name), None)
        if place is None or self.geometry.encoding not in ("WKB", "point"):
            return 0
        return nulls_in(self.parquet.metadata.row_group(group), place)

    def boxes(self, group: int) -> Iterator[tuple[int, Array]]:
        """Yield the boxes (minx, miny, maxx, maxy) of a group's features, NaN for none.

        Some at a time, for a group may hold all of a file; each time with the place in the group
        of the first.
        """
        sides = self.geometry.sides or ()
        _ = self.side_places
        names = list(dict.fromkeys(".".join(side) for side in sides))
        done = 0
        for batch in self._decoded(group, names, _MOST_ROWS * 8):
            found = _sides(batch, sides)
            across = found[:, 0] > found[:, 2]
            found[across, 0], found[across, 2] = -180.0, 180.0
            yield done, self._outward(found)
            done += len(found)

    def batches(self, group: int, names: Sequence[str], within: Array | None) -> Iterator[Any]:
        """Yield rows of a group as they are stored, some megabytes at a time.

        Parameters
        ----------
        group : int
        names : sequence of str
            The columns, in the order in which they come.
        within : array of int, optional
            The rows by their places in the group, rising; all by default.

        Raises
        ------
        DatasetError
            If the group has fewer rows than are stated.
        """
        done, wanted = 0, int(self.starts[group + 1] - self.starts[group])
        last = wanted - 1 if within is None else int(within[-1]) if len(within) else -1
        with closing(self._decoded(group, names, self._rows_at_once(group))) as decoded:
            for batch in decoded:
                rows = _between(within, done, done + batch.num_rows)
                done += batch.num_rows
                some = batch if rows is None else batch.take(pa.array(rows))
                if some.num_rows:
                    yield from _pieces(some)
                if done > last:
                    break
        if done <= last:
            raise DatasetError(
                say(
                    "{title} has {done:,} rows in row group {group} where it states "
                    "{wanted:,}: it is cut or damaged; ask for a whole copy",
                    title=self.title,
                    done=done,
                    group=group + 1,
                    wanted=wanted,
                ),
                field="source",
            )

    def _decoded(self, group: int, names: Sequence[str], rows: int) -> Generator[Any]:
        with reading(self.title):
            if self.announce is not None:
                self.announce(self._places(group, names))
            found = self.parquet.iter_batches(
                batch_size=rows, row_groups=[group], columns=list(names), use_threads=False
            )
            for batch in found:
                batch.validate(full=True)
                tops = dict.fromkeys(
                    name if name in batch.schema.names else name.split(".")[0] for name in names
                )
                yield batch.select(list(tops))

    def _places(self, group: int, names: Sequence[str]) -> list[tuple[int, int]]:
        """Return where in the file columns of a group are."""
        row_group = self.parquet.metadata.row_group(group)
        tops = {name for name in names if "." not in name}
        wanted = [
            n for leaf, n in self.leaves.items() if leaf[0] in tops or ".".join(leaf) in names
        ]
        columns = [row_group.column(place) for place in wanted]
        begins = [column.dictionary_page_offset or column.data_page_offset for column in columns]
        lengths = [column.total_compressed_size for column in columns]
        return list(zip(begins, lengths, strict=True))

    def _rows_at_once(self, group: int) -> int:
        row_group = self.parquet.metadata.row_group(group)
        each = row_group.total_byte_size / max(1, row_group.num_rows)
        return int(min(_MOST_ROWS, max(1, _BATCH_BYTES // max(1, each))))

    def _outward(self, boxes: Array) -> Array:
        """Return boxes that surely hold their features: 32-bit numbers may be rounded inward."""
        schema = self.parquet.schema
        if all(schema.column(n).physical_type == "DOUBLE" for n in self.side_places):
            return boxes
        small = boxes.astype(np.float32)
        low, high = np.float32(-np.inf), np.float32(np.inf)
        lower, upper = np.nextafter(small[:, :2], low), np.nextafter(small[:, 2:], high)
        return np.column_stack([lower, upper]).astype(float)


def _sides(batch: Any, sides: Sequence[Leaf]) -> Array:
    columns = []
    for leaf in sides:
        values = batch.column(leaf[0])
        for name in leaf[1:]:
            values = pc.struct_field(values, name)
        columns.append(np.asarray(values.cast(pa.float64()).fill_null(np.nan)))
    return np.column_stack(columns)


def _between(rows: Array | None, first: int, end: int) -> Array | None:
    """Return those of some rows that lie in a batch, by their places in it; None for all."""
    if rows is None:
        return None
    found = rows[np.searchsorted(rows, first) : np.searchsorted(rows, end)] - first
    return None if len(found) == end - first else found


def _pieces(batch: Any) -> Iterator[Any]:
    """Yield rows in pieces that take some megabytes when no value is shared any more."""
    weights = np.zeros(batch.num_rows, np.int64)
    for column in batch.columns:
        if pa.types.is_dictionary(column.type) and column.type.value_type in _TEXTS:
            lengths = pc.binary_length(column.dictionary).take(column.indices)
            weights += np.asarray(lengths.fill_null(0), np.int64)
    parts = weights.cumsum() // _BATCH_BYTES
    edges = [0, *(np.flatnonzero(np.diff(parts)) + 1).tolist(), batch.num_rows]
    for first, end in zip(edges[:-1], edges[1:], strict=True):
        yield batch.slice(first, end - first)
