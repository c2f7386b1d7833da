"""Write a layer as a packed GeoPackage that is the same, byte for byte, on every run."""

import hashlib
import lzma
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import fiona
import shapely
from shapely.geometry.base import BaseGeometry

Feature = tuple[BaseGeometry, dict[str, Any]]

# GDAL writes the time of the run into gpkg_contents.last_change unless told another
# (GDAL configuration option OGR_CURRENT_DATE).
_REPRODUCIBLE = {"OGR_CURRENT_DATE": "2026-01-01T00:00:00.000Z"}
_XZ = {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}


def write(
    path: Path, layer: str, crs: str, schema: dict[str, Any], features: Iterable[Feature]
) -> None:
    """Add a layer, with a spatial index, to a GeoPackage; make the file if there is none."""
    records = [
        {"geometry": shapely.geometry.mapping(geometry), "properties": properties}
        for geometry, properties in features
    ]
    with (
        fiona.Env(**_REPRODUCIBLE),
        fiona.open(
            path, "w", driver="GPKG", layer=layer, crs=crs, schema=schema, SPATIAL_INDEX="YES"
        ) as sink,
    ):
        sink.writerecords(records)


def pack(path: Path, packed: Path) -> None:
    """Compress a GeoPackage to .xz."""
    packed.write_bytes(lzma.compress(path.read_bytes(), filters=[_XZ]))


def describe(path: Path, layer: str) -> dict[str, Any]:
    """Read back what was written: the manifest says what the file holds, not what was meant."""
    with fiona.open(path, layer=layer) as source:
        return {
            "crs": f"EPSG:{source.crs.to_epsg()}",
            "geometry_type": source.schema["geometry"],
            "fields": dict(source.schema["properties"]),
            "feature_count": len(source),
            "bounds": [round(edge, 6) for edge in source.bounds],
        }


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
