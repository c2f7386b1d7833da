"""Write ESRI shapefiles: .shp, .shx, .dbf, .prj and .cpg, always in UTF-8."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyogrio
import pyproj
import shapely
from pyogrio.errors import DataSourceError, FeatureError, FieldError, GeometryError

from marinemap.errors import ServiceError
from marinemap.extraction.fields import MAX_TEXT_BYTES, launder_names, to_dbf_column

_GEOMETRY_COLUMN = "geometry"
# A shapefile has no distinction between single and multi for lines and polygons (Esri,
# ShapefileTechnical Description, 1998); points do differ.
_TYPE_OF_DIMENSION = {0: "Point", 1: "LineString", 2: "Polygon"}


@dataclass
class WrittenShapefile:
    """One shapefile on disk, and what it could not hold as it came."""

    path: Path
    fields: dict[str, str]
    features: int = 0
    cut_texts: int = 0

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that belongs to the shapefile, in a steady order."""
        return tuple(sorted(self.path.parent.glob(f"{self.path.stem}.*")))

    @property
    def renamed_fields(self) -> dict[str, str]:
        """The fields whose names had to change: old name to new."""
        return {old: new for old, new in self.fields.items() if old != new}

    @property
    def notes(self) -> list[str]:
        """What was lost, in sentences for a person."""
        if not self.cut_texts:
            return []
        return [
            f"{self.cut_texts} texts were cut to {MAX_TEXT_BYTES} bytes, the most that a "
            "shapefile holds."
        ]


def write_shapefile(
    path: Path,
    batches: Iterator[tuple[Any, Any]],
    schema: Any,
    *,
    dimension: int,
    crs: pyproj.CRS,
    has_z: bool,
    multipoint: bool,
) -> WrittenShapefile:
    """Write a stream of features as one shapefile.

    Parameters
    ----------
    path : Path
        Ends in ``.shp``.
    batches : iterator of (numpy array of shapely geometries, pyarrow.RecordBatch)
        No geometry is None; each has the given dimension.
    schema : pyarrow.Schema
        Of the attributes.
    dimension : {0, 1, 2}
        Points, lines or polygons.
    crs : pyproj.CRS
        Of the geometries, whose coordinates are x before y.
    has_z : bool
        Whether heights are kept.
    multipoint : bool
        Whether points are written as MultiPoint; read for dimension 0 only.

    Raises
    ------
    ServiceError
        If the file cannot be written, for example because the disk is full.
    """
    written = WrittenShapefile(path, launder_names(schema.names))
    stream = _Stream(written, batches, schema, multipoint=multipoint and dimension == 0)
    kind = "MultiPoint" if multipoint and dimension == 0 else _TYPE_OF_DIMENSION[dimension]
    try:
        pyogrio.write_arrow(
            pa.RecordBatchReader.from_batches(stream.schema, stream.encoded()),
            path,
            driver="ESRI Shapefile",
            geometry_name=_GEOMETRY_COLUMN,
            geometry_type=f"{kind} Z" if has_z else kind,
            crs=crs.to_wkt(),
            encoding="UTF-8",
            layer_options={"RESIZE": "YES"},
        )
    except (DataSourceError, FeatureError, FieldError, GeometryError, RuntimeError) as error:
        # An error raised while the stream is read comes back from GDAL as text only.
        if stream.failure is not None:
            raise stream.failure from error
        raise ServiceError(f"{path.name} cannot be written: {error}") from error
    return written


class _Stream:
    """Turn features into what GDAL's Arrow writer reads, counting as they pass."""

    def __init__(
        self,
        written: WrittenShapefile,
        batches: Iterator[tuple[Any, Any]],
        schema: Any,
        *,
        multipoint: bool,
    ) -> None:
        self._written = written
        self._batches = batches
        self._multipoint = multipoint
        self.failure: BaseException | None = None
        empty = pa.RecordBatch.from_pylist([], schema=schema)
        self.schema = self._encode(shapely.from_wkb([]), empty).schema

    def encoded(self) -> Iterator[Any]:
        try:
            for geometries, attributes in self._batches:
                yield self._encode(geometries, attributes)
        except BaseException as error:
            self.failure = error
            raise

    def _encode(self, geometries: Any, attributes: Any) -> Any:
        columns = []
        for column in attributes.columns:
            fitted, cut = to_dbf_column(column)
            columns.append(fitted)
            self._written.cut_texts += cut
        self._written.features += len(geometries)
        if self._multipoint:
            geometries = _as_multipoints(geometries)
        columns.append(pa.array(shapely.to_wkb(geometries, flavor="iso"), pa.binary()))
        names = [*self._written.fields.values(), _GEOMETRY_COLUMN]
        return pa.RecordBatch.from_arrays(columns, names=names)


def _as_multipoints(geometries: Any) -> Any:
    single = shapely.get_type_id(geometries) == shapely.GeometryType.POINT
    promoted = geometries.copy()
    promoted[single] = [shapely.multipoints([point]) for point in geometries[single]]
    return promoted
