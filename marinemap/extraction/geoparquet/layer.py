"""A GeoParquet as Arrow: the same questions and answers as of a file that GDAL reads."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from marinemap.extraction.geometry.readable import read_column
from marinemap.extraction.geoparquet.columns import Column
from marinemap.extraction.geoparquet.failures import reading
from marinemap.extraction.geoparquet.file import GeoParquet
from marinemap.extraction.geoparquet.geometries import to_wkb
from marinemap.extraction.geoparquet.opened import opened
from marinemap.extraction.own_layer import OwnLayer, Reader, schema_of
from marinemap.extraction.picked import Rows, Touching
from marinemap.extraction.remote.address import Remote

Array = np.ndarray[Any, Any]
# Features of a row group by their places in it; None for all.
Picked = Array | None


@dataclass(frozen=True)
class ParquetLayer(OwnLayer):
    """Opens a file's features for reading."""

    place: Path | Remote

    def stream(self, wanted: Mapping[str, Any]) -> Iterator[Any]:
        """Yield Arrow's batches in the order of the file; features' places are in the last column.

        Raises
        ------
        DatasetError
            If the file cannot be read.
        """
        with opened(self.place) as file:
            yield from self._batches(file, wanted)

    @contextmanager
    def open(self, wanted: Mapping[str, Any], most: int | None) -> Iterator[Any]:
        """Open some features as pyogrio does, at most so many, the first in the file.

        Their places are in the last column.

        Raises
        ------
        DatasetError
            As ``stream`` does.
        """
        with opened(self.place) as file, closing(self._batches(file, wanted)) as batches:
            yield {}, Reader(self._schema(file), _first(batches, most))

    @property
    def title(self) -> str:
        """What to call it in a message."""
        return f"layer '{self.place.stem}' of {self.place.name}"

    def boxes_in(self, box: Any, most: int | None = None) -> tuple[Array, Array]:
        """Return the places and boxes of the features whose box touches another.

        Of so many at most; where the file keeps no boxes, its geometries are read for them.
        """
        found, count = [(np.zeros(0, np.int64), np.zeros((0, 4)))], 0
        layer = replace(self, columns=[])
        with opened(self.place) as file, closing(layer._batches(file, {"bbox": box})) as batches:
            for batch in batches:
                boxes, _ = _bounds(batch.column(batch.num_columns - 2))
                known = ~np.isnan(boxes).any(axis=1)
                keys = np.asarray(batch.column(batch.num_columns - 1))
                found.append((keys[known], boxes[known]))
                count += int(known.sum())
                if most is not None and count >= most:
                    break
        keys, boxes = (np.concatenate(parts)[:most] for parts in zip(*found, strict=True))
        return keys, boxes

    def _batches(self, file: GeoParquet, wanted: Mapping[str, Any]) -> Generator[Any]:
        schema, fields = self._schema(file), self._fields(file)
        names = [field.name for field in fields]
        # Some column has to be read for the rows to be counted.
        stored = [*names, file.geometry.name] if self.with_geometry or not names else names
        box = wanted.get("bbox") if file.geometry.sides is None else None
        for group, rows in _picks(file, wanted):
            done = 0
            for batch in file.batches(group, stored, rows):
                places = np.arange(done, done + batch.num_rows)
                done += batch.num_rows
                keys = (places if rows is None else rows[places]) + file.starts[group]
                shown = self._shown(file, batch, fields, keys, schema)
                if self.with_geometry and ("where" in wanted or "bbox" in wanted):
                    # What lies nowhere lies near nothing.
                    shown = shown.filter(shown.column(len(names)).is_valid())
                yield shown if box is None else _within(shown, len(names), box)

    def _shown(
        self, file: GeoParquet, batch: Any, fields: Sequence[Column], keys: Array, schema: Any
    ) -> Any:
        with reading(self.title):
            columns = [field.converted(batch.column(field.name), self.title) for field in fields]
            if self.with_geometry:
                stored = batch.column(file.geometry.name)
                columns.append(to_wkb(_plain(stored), file.geometry, self.title))
            else:
                columns.append(pa.nulls(batch.num_rows, pa.binary()))
            columns.append(pa.array(keys))
            return pa.RecordBatch.from_arrays(columns, schema=schema)

    def _fields(self, file: GeoParquet) -> list[Column]:
        return [c for c in file.fields if self.columns is None or c.name in self.columns]

    def _schema(self, file: GeoParquet) -> Any:
        return schema_of((column.name, column.type) for column in self._fields(file))


def _plain(values: Any) -> Any:
    if isinstance(values.type, pa.BaseExtensionType):
        values = values.storage
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


def _picks(file: GeoParquet, wanted: Mapping[str, Any]) -> Iterator[tuple[int, Picked]]:
    """Yield the row groups that hold something wanted, and which of their rows."""
    condition = wanted.get("where")
    if "fids" in wanted:
        condition = Rows(np.unique(np.asarray(wanted["fids"], np.int64)))
    if "bbox" in wanted and file.geometry.sides is not None:
        condition = Touching([wanted["bbox"]])
    if "skip_features" in wanted:
        first = int(wanted["skip_features"])
        end = min(file.rows, first + int(wanted.get("max_features") or file.rows))
        condition = Rows(np.arange(first, max(first, end)))
    for group in range(file.groups):
        first, end = int(file.starts[group]), int(file.starts[group + 1])
        if condition is None:
            yield group, None
        elif isinstance(condition, Touching):
            if condition.near(file.group_reach[group : group + 1]).any():
                yield group, _rows_touching(file, group, condition)
        else:
            low, high = np.searchsorted(condition.places, [first, end])
            if high > low:
                yield group, condition.places[low:high] - first


def _rows_touching(file: GeoParquet, group: int, condition: Touching) -> Array:
    near = ((start, condition.near(boxes)) for start, boxes in file.boxes(group))
    found = [np.flatnonzero(touching) + start for start, touching in near]
    return np.concatenate([np.zeros(0, np.int64), *found])


def _within(batch: Any, geometry: int, box: Any) -> Any:
    """Return the features near a box, and those of which nobody knows where they lie."""
    boxes, unreadable = _bounds(batch.column(geometry))
    known = ~np.isnan(boxes).any(axis=1)
    return batch.filter(pa.array(known & Touching([box]).near(boxes) | unreadable))


def _bounds(column: Any) -> tuple[Array, Array]:
    """Return the boxes of geometries, of NaN where there is none, and which cannot be read."""
    read = read_column(column)
    unreadable = np.zeros(len(column), bool)
    unreadable[list(read.unreadable)] = True
    return shapely.bounds(read.geometries), unreadable


def _first(batches: Iterator[Any], most: int | None) -> Iterator[Any]:
    left = most
    for batch in batches:
        if left is None:
            yield batch
            continue
        yield batch.slice(0, left)
        left -= batch.num_rows
        if left <= 0:
            return
