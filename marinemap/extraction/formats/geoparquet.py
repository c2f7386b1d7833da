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
from marinemap.extraction.geometry.wkb import dimensions, kinds

_COMPRESSION = "zstd"
# So much is compressed at most to tell a size, unless one feature is larger.
_LOOKED_BYTES = 4_000_000
# Of a column that no field is named as.
_UNNAMED = ""
# The description of a CRS in PROJJSON, mostly between 1 and 3 kB.
_CRS_BYTES = 2_000
_TYPES = (
    *("", "Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon"),
    "GeometryCollection",
)


class GeoParquetWriter:
    """Writes a layer as a GeoParquet file; every Arrow type stays as it is."""

    def __init__(self, plan: WritePlan) -> None:
        self._plan = plan
        self._path = plan.folder / f"{plan.name}{FORMAT.suffix}"
        self._geometry = free_name("geometry", plan.schema.names)
        self._schema = plan.schema.append(pa.field(self._geometry, pa.binary()))
        # A stored Arrow schema would hide the metadata that is added at the end.
        self._file = pq.ParquetWriter(
            self._path, self._schema, compression=_COMPRESSION, store_schema=False
        )
        self._features = 0
        # The kind of geometries, and whether they have heights and measures.
        self._found: set[tuple[int, bool, bool]] = set()

    def write(self, geometries: Any, attributes: Any) -> None:
        """Append features.

        Raises
        ------
        ServiceError
            If the disk is full or fails.
        """
        batch = pa.RecordBatch.from_arrays([*attributes.columns, geometries], schema=self._schema)
        found = np.column_stack([kinds(geometries), *dimensions(geometries)])
        self._found |= {(k, bool(z), bool(m)) for k, z, m in np.unique(found, axis=0).tolist()}
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
        column = {
            "encoding": "WKB",
            "geometry_types": self._types(),
            "crs": self._plan.crs.to_json_dict(),
        }
        return {
            "version": "1.1.0",
            "primary_column": self._geometry,
            "columns": {self._geometry: column},
        }

    def _types(self) -> list[str]:
        """Return the types of all geometries; none where the standard has no word for one."""
        if any(has_m for _, _, has_m in self._found):
            return []
        return sorted(f"{_TYPES[kind]}{' Z' if has_z else ''}" for kind, has_z, _ in self._found)


def _read_back(written: WrittenLayer) -> Found:
    metadata = pq.read_metadata(written.path)
    return Found(metadata.num_rows, metadata.schema.to_arrow_schema().names[:-1])


def _weigh(geometries: Any, attributes: Any, features: int, *, is_reprojected: bool) -> int:
    """Tell by writing some features to memory: what compression makes of them is not foreseen."""
    whole = pa.Table.from_arrays(
        [geometries, *attributes.columns], [_UNNAMED, *attributes.schema.names]
    )
    table = whole.slice(0, max(1, int(len(whole) * min(1, _LOOKED_BYTES / whole.nbytes))))
    sizes = []
    for rows in (table.slice(0, 0), table):
        file = pa.BufferOutputStream()
        pq.write_table(rows, file, compression=_COMPRESSION, store_schema=False)
        sizes.append(file.getvalue().size)
    empty, written = sizes
    return int(empty + _CRS_BYTES + (written - empty) * features / len(table))


FORMAT = Format(
    id="geoparquet",
    title="GeoParquet",
    suffix=".parquet",
    media_type="application/vnd.apache.parquet",
    about="Columns with the geometry as WKB, for analysis; every type stays as it is.",
    writer=GeoParquetWriter,
    weigh=_weigh,
    read_back=_read_back,
)
