"""Stream features out of a source as Arrow batches, filtered by boxes in the source's index."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError, FieldError

from marinemap.errors import DatasetError, quote
from marinemap.extraction.dataset import Dataset, without_folder
from marinemap.extraction.geopackage_index import Box, RTree, find_rtree
from marinemap.extraction.prefetch import prefetched
from marinemap.extraction.rtree_nodes import KeySet, Near
from marinemap.extraction.shapefile_check import check_records, check_rows
from marinemap.extraction.table_check import undeclared_encoding

# Large enough for the work on arrays to outweigh the calls, small enough to keep memory flat
# and progress even.
_BATCH_FEATURES = 8_192
_BATCHES_AHEAD = 1
_GDAL_ERRORS = (
    DataSourceError,
    DataLayerError,
    FieldError,
    OSError,
    UnicodeDecodeError,
    pa.ArrowException,
)


# Arguments of pyogrio that choose features.
_Filter = dict[str, Any]


@dataclass(frozen=True)
class Batch:
    """Some features: their geometries as WKB and their attributes, row for row."""

    geometries: Any
    attributes: Any


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
    """

    dataset: Dataset
    boxes: Sequence[Box]
    columns: Sequence[str] | None = None
    near: Near | None = None
    rtree: RTree | None = None

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
        return self.rtree.count(self.boxes) if self.rtree else None

    @property
    def without_position(self) -> int:
        """How many features of the layer lie nowhere, where the source can tell.

        Of a shapefile they are all counted; a GeoPackage's index leaves them out.

        Raises
        ------
        DatasetError
            If a shapefile is damaged.
        """
        if self._is_shapefile:
            return self._nowhere
        return self.dataset.feature_count - self.rtree.size() if self.rtree else 0

    @property
    def counts_not_finite(self) -> bool:
        """Whether ``without_position`` counts all that have a coordinate that is no number."""
        return self._is_shapefile

    def schema(self) -> Any:
        """Return the pyarrow.Schema of the attributes.

        Raises
        ------
        DatasetError
            If GDAL cannot read the layer.
        """
        with self._some(1) as (meta, reader):
            return _without(reader.schema, _geometry_column(meta))

    def sample(self, features: int) -> Batch:
        """Return the first features, at most so many.

        Raises
        ------
        DatasetError
            If GDAL cannot read the layer.
        """
        with self._some(features) as (meta, reader):
            column = _geometry_column(meta)
            batch = next(iter(reader), pa.RecordBatch.from_pylist([], schema=reader.schema))
            batch = batch.slice(0, features)
            return Batch(_binary(batch.column(column)), batch.drop_columns([column]))

    def attributes_of(self, keys: Sequence[int]) -> Any:
        """Return the attributes (pyarrow.Table) of features named by their keys in the R-tree.

        Raises
        ------
        DatasetError
            If GDAL cannot read the layer, or it has no R-tree.
        """
        if self.rtree is None:
            raise DatasetError(f"{self.name} has no R-tree", field="source")
        try:
            _, table = pyogrio.read_arrow(
                self.dataset.path,
                layer=self.dataset.layer,
                columns=None if self.columns is None else list(self.columns),
                read_geometry=False,
                where=self.rtree.condition_of(keys),
            )
        except _GDAL_ERRORS as error:
            raise self._unreadable(error) from error
        return table

    def batches(self) -> Generator[Batch]:
        """Yield the features, read ahead in a thread of its own.

        Raises
        ------
        DatasetError
            If the layer cannot be read to its end.
        """
        if self._is_shapefile:
            _ = self._nowhere
        with prefetched(self._read(), _BATCHES_AHEAD) as batches:
            yield from batches

    @property
    def _is_shapefile(self) -> bool:
        return self.dataset.path.suffix.lower() == ".shp"

    @cached_property
    def _nowhere(self) -> int:
        check_rows(self.dataset.path)
        return check_records(self.dataset.path)

    @cached_property
    def _encoding(self) -> str | None:
        return undeclared_encoding(self.dataset.path) if self._is_shapefile else None

    @cached_property
    def _keys(self) -> KeySet | None:
        if self.rtree is None or self.near is None:
            return None
        try:
            return self.rtree.keys_near(self.near)
        except (ValueError, sqlite3.Error) as error:
            raise DatasetError(
                f"the spatial index of {self.name} is damaged: {error}",
                field="source",
                hint="Write the layer anew, for instance by ogr2ogr, or ask for a whole copy.",
            ) from error

    def _read(self) -> Iterator[Batch]:
        for wanted in self._filters():
            with self._open(wanted) as (meta, reader):
                column = _geometry_column(meta)
                for batch in reader:
                    read = Batch(_binary(batch.column(column)), batch.drop_columns([column]))
                    self._check(read)
                    yield read

    def _filters(self) -> Iterator[_Filter]:
        """Yield what to ask GDAL for, part by part, so that it begins to answer at once."""
        if self.rtree is None:
            yield {"bbox": self.box}
        elif self._keys is None:
            yield {"where": self.rtree.condition(self.boxes)}
        else:
            yield from ({"where": part} for part in self.rtree.conditions(self._keys))

    def _check(self, batch: Batch) -> None:
        """Refuse what GDAL hands on as it is in the file."""
        for name, values in zip(batch.attributes.schema.names, batch.attributes, strict=True):
            if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
                _check_text(self, name, values)
        if self.rtree and batch.geometries.null_count:
            raise DatasetError(
                f"{self.name} holds {batch.geometries.null_count:,} geometries that are broken: "
                "its index says where they lie, but they cannot be read",
                field="source",
            )

    @contextmanager
    def _open(self, wanted: _Filter, batch_size: int = _BATCH_FEATURES) -> Iterator[Any]:
        try:
            with pyogrio.open_arrow(
                self.dataset.path,
                layer=self.dataset.layer,
                columns=None if self.columns is None else list(self.columns),
                batch_size=batch_size,
                encoding=self._encoding,
                use_pyarrow=True,
                **wanted,
            ) as opened:
                yield opened
        except _GDAL_ERRORS as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> DatasetError:
        return DatasetError(
            f"{self.name} cannot be read: {without_folder(error, self.dataset.path)}",
            field="source",
        )

    def _some(self, features: int) -> AbstractContextManager[Any]:
        """Open the layer for some features, whichever are found first."""
        if self.rtree:
            return self._open({"where": self.rtree.condition(self.boxes, features)}, features)
        return self._open({"bbox": self.box}, features)


def open_source(
    dataset: Dataset,
    boxes: Sequence[Box],
    columns: Sequence[str] | None = None,
    near: Near | None = None,
) -> Source:
    """Return a layer ready to be read, with its R-tree where it has one; see ``Source``."""
    return Source(dataset, boxes, columns, near, find_rtree(dataset.path, dataset.layer))


def _check_text(source: Source, name: str, values: Any) -> None:
    try:
        values.validate(full=True)
    except pa.ArrowInvalid as error:
        raise DatasetError(
            f"{source.name}: a text of field '{quote(name)}' is not in the encoding that the file "
            f"states, or is damaged: {quote(error)}",
            field="source",
            value=name,
            hint="Ask for a whole copy; for a shapefile, look at its .cpg.",
        ) from error


def _geometry_column(meta: dict[str, Any]) -> str:
    return str(meta["geometry_name"] or "wkb_geometry")


def _without(schema: Any, column: str) -> Any:
    return schema.remove(schema.get_field_index(column))


def _binary(column: Any) -> Any:
    return column if column.type == pa.binary() else column.cast(pa.binary())
