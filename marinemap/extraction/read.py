"""Stream features out of a source as Arrow batches, filtered by a box in the source's index."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError, FieldError

from marinemap.errors import DatasetError
from marinemap.extraction.dataset import Dataset

# A batch of a few thousand features keeps memory flat and progress even.
_BATCH_FEATURES = 8_192


@dataclass(frozen=True)
class Batches:
    """An open stream: the schema of the attributes, and pairs of geometries and attributes."""

    schema: Any
    _reader: Any
    _geometry_column: str
    _source_name: str

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """Yield (numpy array of shapely geometries, pyarrow.RecordBatch of attributes)."""
        for batch in self._reader:
            wkb = batch.column(self._geometry_column).to_numpy(zero_copy_only=False)
            try:
                geometries = shapely.from_wkb(wkb)
            except shapely.errors.ShapelyError as error:
                raise DatasetError(f"{self._source_name}: a geometry is broken: {error}") from error
            yield geometries, batch.drop_columns([self._geometry_column])


@contextmanager
def open_batches(dataset: Dataset, bounds: tuple[float, float, float, float]) -> Iterator[Batches]:
    """Open a layer for reading the features whose box touches the bounds.

    Parameters
    ----------
    dataset : Dataset
    bounds : tuple of float
        (minx, miny, maxx, maxy) in the layer's CRS.

    Raises
    ------
    DatasetError
        If GDAL cannot read the layer.
    """
    name = f"layer '{dataset.layer}' of {dataset.path.name}"
    try:
        with pyogrio.open_arrow(
            dataset.path,
            layer=dataset.layer,
            bbox=bounds,
            batch_size=_BATCH_FEATURES,
            use_pyarrow=True,
        ) as (meta, reader):
            column = meta["geometry_name"] or "wkb_geometry"
            schema = reader.schema
            yield Batches(schema.remove(schema.get_field_index(column)), reader, column, name)
    except (DataSourceError, DataLayerError, FieldError) as error:
        raise DatasetError(f"{name} cannot be read: {error}") from error
