"""Write GeoParquet 1.1.0: columns with the geometry as WKB, for analysis."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from marinemap.errors import ServiceError
from marinemap.extraction.formats.format import Format
from marinemap.extraction.formats.ogr import free_name
from marinemap.extraction.formats.plan import WritePlan
from marinemap.extraction.formats.read_back import Found
from marinemap.extraction.formats.written import WrittenLayer
from marinemap.extraction.wkb import kinds

_TYPES = ("", "Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon")


class GeoParquetWriter:
    """Writes a layer as a GeoParquet file; every Arrow type stays as it is."""

    def __init__(self, plan: WritePlan) -> None:
        self._plan = plan
        self._path = plan.folder / f"{plan.name}{FORMAT.suffix}"
        self._geometry = free_name("geometry", plan.schema.names)
        self._schema = plan.schema.append(pa.field(self._geometry, pa.binary()))
        # A stored Arrow schema would hide the metadata that is added at the end.
        self._file = pq.ParquetWriter(
            self._path, self._schema, compression="zstd", store_schema=False
        )
        self._features = 0
        self._kinds: set[int] = set()

    def write(self, geometries: Any, attributes: Any) -> None:
        """Append features.

        Raises
        ------
        ServiceError
            If the disk is full or fails.
        """
        batch = pa.RecordBatch.from_arrays([*attributes.columns, geometries], schema=self._schema)
        self._kinds |= set(np.unique(kinds(geometries)).tolist())
        self._features += len(batch)
        try:
            self._file.write_batch(batch)
        except OSError as error:
            raise ServiceError(f"{self._path.name} cannot be written: {error}") from error

    def close(self) -> list[WrittenLayer]:
        """Finish the file; what it holds is known only now and stands at its end."""
        self._file.add_key_value_metadata({"geo": json.dumps(self._geo())})
        self._file.close()
        names = {name: name for name in self._plan.schema.names}
        return [
            WrittenLayer(
                FORMAT.id,
                self._path,
                (self._path,),
                self._plan.name,
                "Unknown",
                self._features,
                names,
            )
        ]

    def abandon(self) -> None:
        """Let go of the file as it is."""
        self._file.close()

    def _geo(self) -> dict[str, Any]:
        z = " Z" if self._plan.has_z else ""
        column = {
            "encoding": "WKB",
            "geometry_types": sorted(f"{_TYPES[k]}{z}" for k in self._kinds if 0 < k < 7),
            "crs": self._plan.crs.to_json_dict(),
        }
        return {
            "version": "1.1.0",
            "primary_column": self._geometry,
            "columns": {self._geometry: column},
        }


def _read_back(written: WrittenLayer) -> Found:
    metadata = pq.read_metadata(written.path)
    return Found(metadata.num_rows, metadata.schema.to_arrow_schema().names[:-1])


FORMAT = Format(
    id="geoparquet",
    title="GeoParquet",
    suffix=".parquet",
    media_type="application/vnd.apache.parquet",
    about="Columns with the geometry as WKB, for analysis; every type stays as it is.",
    writer=GeoParquetWriter,
    read_back=_read_back,
)
