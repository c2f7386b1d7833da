"""Write a GeoPackage: everything in full, in one file (OGC 12-128r19)."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import numpy as np
import pyogrio

from marinemap.extraction.formats.columns import NO_NAN, NO_NUL, Columns
from marinemap.extraction.formats.format import Format
from marinemap.extraction.formats.moments import BEFORE_1970, CALENDAR, MILLISECONDS
from marinemap.extraction.formats.ogr import OgrWriter, declared_kind, free_name, multi_type
from marinemap.extraction.formats.plan import WritePlan
from marinemap.extraction.formats.weight import Weight
from marinemap.extraction.formats.written import WrittenLayer
from marinemap.extraction.geometry.wkb import dimensions, kinds, promoted

_CODES = {"Point": 1, "MultiPoint": 4, "MultiLineString": 5, "MultiPolygon": 6}


class GeoPackageWriter(OgrWriter):
    """Writes a layer as the only one of a GeoPackage.

    Singles are kept as multi-geometries of one part, so that the layer has one type; where it has
    not, it is declared to hold any.
    """

    def __init__(self, plan: WritePlan) -> None:
        # GDAL writes the time of the last change into the file, which would differ each time.
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": f"{plan.made_on}T00:00:00.000Z"})
        columns = Columns(plan.schema, rules=[NO_NUL, NO_NAN, CALENDAR, MILLISECONDS, BEFORE_1970])
        self._kind = _CODES.get(declared_kind(plan))
        self._found = {"kind": False, "z": False, "m": False}
        options = {
            "SPATIAL_INDEX": "YES",
            "FID": _key(columns.schema.names),
            "GEOMETRY_NAME": free_name("geom", columns.schema.names),
        }
        super().__init__(plan, columns, FORMAT.id, FORMAT.suffix, "GPKG", multi_type(plan), options)

    def write(self, geometries: Any, attributes: Any) -> None:
        """Append features."""
        if self._kind not in (None, _CODES["Point"]):
            geometries = promoted(geometries)
        high, measured = dimensions(geometries)
        self._found["kind"] |= bool(np.any(kinds(geometries) != self._kind))
        self._found["z"] |= bool(high.any()) and not self._plan.has_z
        self._found["m"] |= bool(measured.any())
        super().write(geometries, attributes)

    def close(self) -> list[WrittenLayer]:
        """Finish the file, and let it declare what it holds."""
        written = super().close()
        with closing(sqlite3.connect(self._path)) as database:
            if self._kind and self._found["kind"]:
                # Of an open type pyogrio and fiona read no file that states heights.
                database.execute(
                    "UPDATE gpkg_geometry_columns SET geometry_type_name = 'GEOMETRY', z = 0, m = 0"
                )
            elif self._kind:
                # 2: optional (OGC 12-128r19, table 6).
                flags = [f"{flag} = 2" for flag in ("z", "m") if self._found[flag]]
                if flags:
                    database.execute(f"UPDATE gpkg_geometry_columns SET {', '.join(flags)}")
            database.commit()
        return written


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
    weigh=Weight(empty=98_304, feature=105),
)
