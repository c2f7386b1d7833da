"""Write a GeoPackage: everything in full, in one file (OGC 12-128r19)."""

from __future__ import annotations

from typing import Any

import pyogrio

from marinemap.extraction.formats.format import Format
from marinemap.extraction.formats.ogr import OgrWriter, multi_type
from marinemap.extraction.formats.plan import WritePlan
from marinemap.extraction.wkb import promoted


class GeoPackageWriter(OgrWriter):
    """Writes a layer as the only one of a GeoPackage.

    Singles are kept as multi-geometries of one part, so that the layer has one type.
    """

    def __init__(self, plan: WritePlan) -> None:
        # GDAL writes the time of the last change into the file, which would differ each time.
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": f"{plan.made_on}T00:00:00.000Z"})
        kind = multi_type(plan)
        self._promotes = kind.startswith("Multi")
        options = {"SPATIAL_INDEX": "YES", "FID": _key(plan.schema.names)}
        super().__init__(plan, FORMAT.id, FORMAT.suffix, "GPKG", kind, options)

    def write(self, geometries: Any, attributes: Any) -> None:
        """Append features."""
        super().write(promoted(geometries) if self._promotes else geometries, attributes)


def _key(names: list[str]) -> str:
    """Return a name for the key that no field has; a field named so would become the key."""
    key = "fid"
    while key in (name.lower() for name in names):
        key = f"_{key}"
    return key


FORMAT = Format(
    id="geopackage",
    title="GeoPackage",
    suffix=".gpkg",
    media_type="application/geopackage+sqlite3",
    about="Everything in full, in one file.",
    writer=GeoPackageWriter,
)
