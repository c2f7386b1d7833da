"""Stream features out of a source as Arrow batches, filtered by boxes in the source's index."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError, FieldError

from marinemap.errors import DatasetError
from marinemap.extraction.dataset import Dataset, fingerprint, without_folder
from marinemap.extraction.geopackage_index import Box, RTree, find_rtree
from marinemap.extraction.prefetch import prefetched
from marinemap.extraction.shapefile_check import check_records

# Large enough for the work on arrays to outweigh the calls, small enough to keep memory flat
# and progress even.
_BATCH_FEATURES = 8_192
_BATCHES_AHEAD = 1
_GDAL_ERRORS = (DataSourceError, DataLayerError, FieldError, OSError, pa.ArrowException)


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
    """

    dataset: Dataset
    boxes: Sequence[Box]
    columns: Sequence[str] | None = None
    rtree: RTree | None = field(default=None)

    @property
    def name(self) -> str:
        """What to call the layer in a message."""
        return f"layer '{self.dataset.layer}' of {self.dataset.path.name}"

    @property
    def box(self) -> Box:
        """The one box around all boxes."""
        west, south, east, north = zip(*self.boxes, strict=True)
        return min(west), min(south), max(east), max(north)

    @property
    def expected(self) -> int | None:
        """About how many features will be read, where the source's index can tell."""
        return self.rtree.count(self.boxes) if self.rtree else None

    @property
    def without_position(self) -> int:
        """How many features the source's index leaves out, for they lie nowhere."""
        return self.dataset.feature_count - self.rtree.size() if self.rtree else 0

    def schema(self) -> Any:
        """Return the pyarrow.Schema of the attributes.

        Raises
        ------
        DatasetError
            If GDAL cannot read the layer.
        """
        with self._open(most=1) as (meta, reader):
            return _without(reader.schema, _geometry_column(meta))

    def sample(self, features: int) -> Batch:
        """Return the first features, at most so many.

        Raises
        ------
        DatasetError
            If GDAL cannot read the layer.
        """
        with self._open(most=features) as (meta, reader):
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
        if self.dataset.path.suffix.lower() == ".shp":
            check_records(self.dataset.path)
        with prefetched(self._read(), _BATCHES_AHEAD) as batches:
            yield from batches

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Do something with the source that its file must outlast.

        Raises
        ------
        DatasetError
            If the file was changed or replaced meanwhile.
        """
        before = fingerprint(self.dataset.path)
        yield
        if fingerprint(self.dataset.path) != before:
            raise DatasetError(
                f"{self.dataset.path.name} was changed while it was read",
                field="source",
                hint="Ask again; the new data will be used.",
            )

    def _read(self) -> Iterator[Batch]:
        with self._open() as (meta, reader):
            column = _geometry_column(meta)
            for batch in reader:
                yield Batch(_binary(batch.column(column)), batch.drop_columns([column]))

    @contextmanager
    def _open(self, most: int | None = None) -> Iterator[Any]:
        try:
            with pyogrio.open_arrow(
                self.dataset.path,
                layer=self.dataset.layer,
                columns=None if self.columns is None else list(self.columns),
                batch_size=most or _BATCH_FEATURES,
                use_pyarrow=True,
                **self._filter(most),
            ) as opened:
                yield opened
        except _GDAL_ERRORS as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> DatasetError:
        return DatasetError(
            f"{self.name} cannot be read: {without_folder(error, self.dataset.path)}",
            field="source",
        )

    def _filter(self, most: int | None) -> dict[str, Any]:
        if self.rtree:
            return {"where": self.rtree.condition(self.boxes, most)}
        return {"bbox": self.box}


def open_source(
    dataset: Dataset, boxes: Sequence[Box], columns: Sequence[str] | None = None
) -> Source:
    """Return a layer ready to be read, with its R-tree where it has one."""
    return Source(dataset, boxes, columns, find_rtree(dataset.path, dataset.layer))


def _geometry_column(meta: dict[str, Any]) -> str:
    return str(meta["geometry_name"] or "wkb_geometry")


def _without(schema: Any, column: str) -> Any:
    return schema.remove(schema.get_field_index(column))


def _binary(column: Any) -> Any:
    return column if column.type == pa.binary() else column.cast(pa.binary())
