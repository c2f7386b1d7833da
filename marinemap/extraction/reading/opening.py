"""Open what a layer is kept in: a file that GDAL reads, a table, or a file on a server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyogrio
import shapely

from marinemap.errors import DatasetError
from marinemap.extraction.dataset import Dataset
from marinemap.extraction.geometry.readable import read_column
from marinemap.extraction.geopackage.index import find_rtree
from marinemap.extraction.geopackage.rtree_nodes import KeySet, Near
from marinemap.extraction.place import Place
from marinemap.extraction.postgis.table import Table
from marinemap.extraction.reading.arrow_batches import binary, geometry_place
from marinemap.extraction.reading.gdal_layer import GDAL_ERRORS, GdalLayer, rows_within_file
from marinemap.extraction.reading.own_keys import own_key
from marinemap.extraction.reading.zones import Zones, zones_of
from marinemap.extraction.remote.address import Remote
from marinemap.extraction.sources import is_parquet, source_format_of

Box = tuple[float, float, float, float]


class OpenLayer(Protocol):
    """A layer's features as Arrow; see :class:`GdalLayer`."""

    @property
    def is_shapefile(self) -> bool:
        """Whether it is read from a shapefile."""

    def stream(self, wanted: dict[str, Any]) -> Iterator[Any]:
        """Yield batches of the features that are wanted, in an order that is always the same.

        Their ids are in the last column.
        """

    def open(self, wanted: dict[str, Any], most: int, /) -> AbstractContextManager[Any]:
        """Open some features, whichever are found first; their ids are in the last column."""

    def attributes(self, condition: Any) -> Any:
        """Return the attributes of the features that a condition of the index holds for."""

    def table_by_ids(self, wanted: Mapping[str, Any]) -> tuple[str, Any]:
        """Return the name of the column of ids, and features with them."""

    def unreadable(self, error: Exception) -> DatasetError:
        """Return what to say of a failure."""


class SpatialIndex(Protocol):
    """Tells which features lie near boxes; see :class:`RTree`. Its conditions are its layer's."""

    def narrowed(self, trees: Sequence[Any]) -> SpatialIndex:
        """Return the index without features that cannot pass some filters, as far as it can."""

    def condition(self, boxes: Sequence[Box], most: int | None = None) -> Any:
        """Return a condition for the features whose box touches one of the boxes."""

    def condition_of(self, keys: Sequence[int]) -> Any:
        """Return a condition for the features of some keys.

        Of many it may be for some of them, spread evenly, where each takes a request.
        """

    def conditions(self, keys: KeySet, first: int = 0, end: int | None = None) -> Iterator[Any]:
        """Yield conditions that together let the features of some keys through; or some of them."""

    def count_conditions(self, keys: KeySet) -> int:
        """Return how many conditions these are."""

    def keys_near(self, near: Near) -> KeySet | None:
        """Return the keys of what may be wanted; None where they are not sought one by one."""

    def count(self, boxes: Sequence[Box]) -> int:
        """Return about how many features the condition lets through, never too few."""

    def expect(self, boxes: Sequence[Box], bounds: Box | None, features: int) -> int:
        """Return about how many of so many features, which lie within bounds, that are.

        At once, so that it may be wrong.
        """

    def size(self) -> int:
        """Return how many features lie somewhere."""

    def boxes(self, boxes: Sequence[Box], every: int = 1) -> tuple[Any, Any]:
        """Return the keys and boxes of features near boxes, or of every so many."""


def open_layer(
    dataset: Dataset,
    columns: Sequence[str] | None = None,
    key: str | None = None,
) -> OpenLayer:
    """Return a layer that can be read; see :class:`GdalLayer` for the parameters."""
    if isinstance(dataset.path, Table):
        # Imported here, as below: it takes long to import, and files need none of it.
        from marinemap.extraction.postgis.layer import TableLayer

        return TableLayer(dataset.path, columns)
    if is_parquet(dataset.path):
        from marinemap.extraction.geoparquet.layer import ParquetLayer

        return ParquetLayer(dataset.path, columns)
    if isinstance(dataset.path, Remote):
        from marinemap.extraction.reading.fetched import FetchedLayer

        return FetchedLayer(dataset.path, columns, dataset=dataset)
    return GdalLayer(dataset, columns, key)


def find_index(place: Place, layer: str) -> SpatialIndex | None:
    """Return the index that a layer can be asked by, None where GDAL asks it, if there is one.

    Raises
    ------
    DatasetError, UnavailableError
        If it is a table that cannot be read now.
    """
    if isinstance(place, Table):
        from marinemap.extraction.postgis.index import TableIndex

        return TableIndex.of(place)
    if is_parquet(place):
        from marinemap.extraction.geoparquet.index import BoxColumns

        return BoxColumns.of(place)
    if isinstance(place, Remote):
        from marinemap.extraction.flatgeobuf.index import PackedIndex

        return PackedIndex(place)
    return find_rtree(place, layer)


def find_boxes(dataset: Dataset, box: Box | None, most: int | None = None) -> tuple[Any, Any]:
    """Return the ids of features of a file, and their boxes, shape (features, 4).

    Of those near a box, of all where it is None; of so many at most. By the driver's own index
    where it has one: for layers that ``find_index`` finds none for.

    Raises
    ------
    DatasetError
        If the layer cannot be read.
    """
    if is_parquet(dataset.path):
        from marinemap.extraction.geoparquet.layer import ParquetLayer

        return ParquetLayer(dataset.path).boxes_in(box, most)
    if isinstance(dataset.path, Remote):
        from marinemap.extraction.flatgeobuf.index import PackedIndex

        return PackedIndex(dataset.path).boxes_in(box, most)
    if source_format_of(dataset.file).options(dataset.file):
        # read_bounds takes none.
        return _boxes_read(dataset, box, most)
    keys, found = pyogrio.read_bounds(
        dataset.file, layer=dataset.layer, bbox=box, max_features=most
    )
    return keys, found.T


def _boxes_read(dataset: Dataset, box: Box | None, most: int | None) -> tuple[Any, Any]:
    layer = GdalLayer(dataset, columns=[])
    ids, boxes, left = [np.zeros(0, np.int64)], [np.zeros((0, 4))], most
    for batch in layer.stream({} if box is None else {"bbox": box}):
        batch = batch.slice(0, left)
        column = binary(batch.column(geometry_place(batch.schema)))
        ids.append(np.asarray(batch.column(batch.num_columns - 1)))
        boxes.append(shapely.bounds(read_column(column).geometries))
        left = None if left is None else left - batch.num_rows
        if left == 0:
            break
    return np.concatenate(ids), np.concatenate(boxes)


def rows_within(dataset: Dataset, most_bytes: int) -> int:
    """Return how many features take so many bytes in their file or table, one at least."""
    if isinstance(dataset.path, Table):
        from marinemap.extraction.postgis.index import TableIndex

        return int(max(1, most_bytes // max(1, TableIndex.of(dataset.path).bytes_each())))
    if is_parquet(dataset.path):
        from marinemap.extraction.geoparquet.opened import bytes_each

        return int(max(1, most_bytes // max(1, bytes_each(dataset.path))))
    if isinstance(dataset.path, Remote):
        from marinemap.extraction.flatgeobuf.index import PackedIndex

        return int(max(1, most_bytes // max(1, PackedIndex(dataset.path).bytes_each())))
    return rows_within_file(dataset, most_bytes)


def find_own_key(place: Place, layer: str) -> str | None:
    """Return the column of keys that a layer of a file has among its fields; a table's is one.

    Raises
    ------
    DatasetError
        If it is a view's and holds what is no whole number.
    """
    return own_key(place, layer) if isinstance(place, Path) else None


def find_zones(dataset: Dataset) -> Zones:
    """Return the zone of each field of moments of which some bear one; may read all features.

    A table and a GeoParquet have them in their columns' types.

    Raises
    ------
    DatasetError
        If the layer cannot be read.
    """
    if isinstance(dataset.path, Remote) and not is_parquet(dataset.path):
        from marinemap.extraction.reading.fetched import fetched_zones

        return fetched_zones(dataset)
    if not isinstance(dataset.path, Path):
        return {}
    try:
        return zones_of(dataset)
    except GDAL_ERRORS as error:
        raise GdalLayer(dataset).unreadable(error) from error
