"""Stream features out of a source as Arrow batches, filtered by boxes in the source's index."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyogrio
import pyproj
from pyogrio.errors import DataLayerError, DataSourceError, FieldError, GeometryError

from marinemap.errors import DatasetError, quote
from marinemap.extraction.curves import linear
from marinemap.extraction.dataset import Dataset
from marinemap.extraction.geopackage_index import Box, RTree, find_rtree, own_key
from marinemap.extraction.prefetch import prefetched
from marinemap.extraction.rtree_nodes import KeySet, Near
from marinemap.extraction.shapefile_check import check_records, check_rows
from marinemap.extraction.source_files import parts_of, without_folder
from marinemap.extraction.sources import source_format_of
from marinemap.extraction.table_check import undeclared_encoding
from marinemap.extraction.wkb import count_nowhere

# Large enough for the work on arrays to outweigh the calls, small enough to keep memory flat
# and progress even.
_BATCH_FEATURES = 8_192
# Coordinates and texts that are worked on at once: what is made of them takes some times as much.
_BATCH_BYTES = 6 << 20
# GDAL ends a batch here, whatever its rows; one feature may have more.
_GDAL_BATCH_BYTES = 16 << 20
_BATCHES_AHEAD = 1
_LOOKED_AT = 100
GDAL_ERRORS = (
    DataSourceError,
    DataLayerError,
    FieldError,
    GeometryError,
    OSError,
    UnicodeDecodeError,
    pa.ArrowException,
)


# How Arrow marks the column of geometries (GeoArrow; GDAL before 3.11 has a name of its own).
_EXTENSION = b"ARROW:extension:name"
_GEOMETRY_MARKS = (b"geoarrow.wkb", b"ogc.wkb")

# Arguments of pyogrio that choose features.
_Filter = dict[str, Any]


@dataclass(frozen=True)
class Batch:
    """Some features: their geometries as WKB and their attributes, row for row.

    ``nowhere`` counts those without a position, ``straightened`` those whose arcs became lines.
    """

    geometries: Any
    attributes: Any
    nowhere: int = 0
    straightened: int = 0


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
    rtree : RTree, optional
        The source's spatial index, if any.
    key : str, optional
        The column of keys, where it has a name of the data's own: then it is a field.
    """

    dataset: Dataset
    boxes: Sequence[Box]
    columns: Sequence[str] | None = None
    near: Near | None = None
    rtree: RTree | None = None
    key: str | None = None

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
        """How many features of the layer lie nowhere, where that is known before it is read.

        Of a shapefile they are all counted; a GeoPackage's index leaves them out. Of other
        sources, which are read whole, the batches tell.

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

    def check(self) -> None:
        """Refuse a layer that cannot be read; looks through all of its file.

        Raises
        ------
        DatasetError
            If it is damaged, or holds what cannot be served.
        """
        source_format_of(self.dataset.path).check(self.dataset.path)
        self.sample(_LOOKED_AT)
        if self._is_shapefile:
            _ = self._nowhere

    def schema(self) -> Any:
        """Return the pyarrow.Schema of the attributes.

        Raises
        ------
        DatasetError
            If GDAL cannot read the layer.
        """
        with self._some(1) as (_, reader):
            return reader.schema.remove(geometry_place(reader.schema))

    def sample(self, features: int) -> Batch:
        """Return the first features, at most so many.

        Raises
        ------
        DatasetError
            If GDAL cannot read the layer.
        """
        with self._some(features) as (_, reader):
            batch = next(iter(reader), pa.RecordBatch.from_pylist([], schema=reader.schema))
            return self._batch(batch.slice(0, features))

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
                read_geometry=False,
                where=self.rtree.condition_of(keys),
                **self._fields,
            )
        except GDAL_ERRORS as error:
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
        source_format_of(self.dataset.path).check(self.dataset.path)
        with prefetched(self._read(), _BATCHES_AHEAD) as batches:
            yield from batches

    @property
    def _is_shapefile(self) -> bool:
        return self.dataset.path.suffix.lower() == ".shp"

    @property
    def _is_read_whole(self) -> bool:
        """Whether no index is asked: one that lies would hide features."""
        return self.rtree is None and not source_format_of(self.dataset.path).has_index

    @property
    def _fields(self) -> dict[str, Any]:
        """What pyogrio is told of the fields to read."""
        wanted = self.columns
        with_key = self.key is not None and (wanted is None or self.key in wanted)
        names = None if wanted is None else [name for name in wanted if name != self.key]
        return {"columns": names, "return_fids": with_key}

    @cached_property
    def _tolerance(self) -> float:
        """A centimetre, in the units of the coordinates."""
        crs = pyproj.CRS.from_user_input(self.dataset.crs)
        if crs.is_geographic:
            return 1e-7
        return 0.01 / (crs.axis_info[0].unit_conversion_factor or 1.0)

    @cached_property
    def _rows_at_once(self) -> int:
        """How many features a batch may have, by what features take in the file."""
        path = self.dataset.path
        size = sum(part.stat().st_size for part in parts_of(path))
        each = size / max(self.dataset.feature_count, 1)
        return int(min(_BATCH_FEATURES, max(1, _GDAL_BATCH_BYTES // max(each, 1))))

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
        count = 0
        for wanted in self._filters():
            for batch in self._stream(wanted):
                count += batch.num_rows
                for piece in _pieces(batch):
                    read = self._batch(piece)
                    self._check(read)
                    yield read
        if self._is_read_whole and count != self.dataset.feature_count:
            raise DatasetError(
                f"{self.name} gives {count:,} features where {self.dataset.feature_count:,} are "
                "stated: it is cut or damaged; ask for a whole copy",
                field="source",
            )

    def _stream(self, wanted: _Filter) -> Iterator[Any]:
        """Yield Arrow's batches; a feature too large for one comes alone."""
        done = 0
        try:
            with self._open(wanted, self._rows_at_once) as (_, reader):
                for batch in reader:
                    done += batch.num_rows
                    yield batch
            return
        except _TooLarge:
            pass
        with self._open(wanted, 1, skip_features=done, limit=None) as (_, reader):
            yield from reader

    def _batch(self, batch: Any) -> Batch:
        place = geometry_place(batch.schema)
        names = [name for at, name in enumerate(batch.schema.names) if at != place]
        columns = [column for at, column in enumerate(batch.columns) if at != place]
        schema = batch.schema.remove(place)
        geometries = _binary(batch.column(place))
        try:
            geometries.validate(full=True)
        except pa.ArrowInvalid as error:
            raise self._unreadable(error) from error
        # What the index or the table of a file counts is not counted again.
        nowhere = count_nowhere(geometries) if self._is_read_whole else 0
        geometries, straightened = linear(geometries, self._tolerance, self.name)
        attributes = pa.RecordBatch.from_arrays(columns, schema=schema) if names else _rows(batch)
        return Batch(geometries, attributes, nowhere, straightened)

    def _filters(self) -> Iterator[_Filter]:
        """Yield what to ask GDAL for, part by part, so that it begins to answer at once."""
        if self._is_read_whole:
            yield {}
        elif self.rtree is None:
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
    def _open(
        self,
        wanted: _Filter,
        batch_size: int,
        skip_features: int = 0,
        limit: int | None = _GDAL_BATCH_BYTES,
    ) -> Iterator[Any]:
        pyogrio.set_gdal_config_options(
            # GDAL 3.12's own way for FlatGeobuf ends at the limit as if the file did, and makes
            # broken arrays of features without geometry.
            {"OGR_ARROW_MEM_LIMIT": limit and str(limit), "OGR_FLATGEOBUF_STREAM_BASE_IMPL": "YES"}
        )
        try:
            with pyogrio.open_arrow(
                self.dataset.path,
                layer=self.dataset.layer,
                batch_size=batch_size,
                skip_features=skip_features,
                encoding=self._encoding,
                use_pyarrow=True,
                **self._fields,
                **wanted,
            ) as opened:
                yield opened
        except pa.ArrowMemoryError as error:
            raise _TooLarge from error
        except GDAL_ERRORS as error:
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
    rtree = find_rtree(dataset.path, dataset.layer)
    return Source(dataset, boxes, columns, near, rtree, own_key(dataset.path, dataset.layer))


def check_servable(dataset: Dataset) -> None:
    """Refuse a layer that cannot be read to its end; looks through all of its file.

    Raises
    ------
    DatasetError
        If it is damaged, or holds what cannot be served.
    """
    open_source(dataset, [dataset.bounds or (0.0, 0.0, 0.0, 0.0)]).check()


class _TooLarge(Exception):
    """A feature takes more memory than a batch may."""


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


def geometry_place(schema: Any) -> int:
    """Return the place of the geometries: a field may have the name of their column."""
    marks = ((at, (field.metadata or {}).get(_EXTENSION)) for at, field in enumerate(schema))
    return next(at for at, mark in marks if mark in _GEOMETRY_MARKS)


def _rows(batch: Any) -> Any:
    """Return as many rows without any field."""
    return batch.select([])


def _pieces(batch: Any) -> Iterator[Any]:
    """Yield a batch in pieces of some megabytes each."""
    if batch.nbytes <= _BATCH_BYTES or batch.num_rows < 2:
        yield batch
        return
    column = _binary(batch.column(geometry_place(batch.schema)))
    lengths = np.asarray(pc.fill_null(pc.binary_length(column), 0), np.int64)
    others = (batch.nbytes - int(lengths.sum())) // batch.num_rows
    numbers = (lengths + others).cumsum() // _BATCH_BYTES
    edges = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), batch.num_rows]
    for first, last in itertools.pairwise(edges):
        yield batch.slice(first, last - first)


def _binary(column: Any) -> Any:
    return column if column.type == pa.binary() else column.cast(pa.binary())
