"""Shapefiles of one type: each is begun before the one before it passes the limit of size."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from marinemap.errors import ServiceError
from marinemap.extraction.formats.crs_text import esri_wkt
from marinemap.extraction.formats.dbf import DbfWriter
from marinemap.extraction.formats.plan import WritePlan
from marinemap.extraction.formats.shp import ShpWriter
from marinemap.extraction.formats.shp_records import MULTIPOINT, POINT, POLYGON, POLYLINE
from marinemap.extraction.formats.table import ShapefileTable
from marinemap.extraction.formats.wkb_to_shp import Records, to_records
from marinemap.extraction.formats.written import WrittenLayer
from marinemap.extraction.geometry.wkb import dimensions

TYPE_NAMES = {POINT: "Point", POLYLINE: "LineString", POLYGON: "Polygon", MULTIPOINT: "MultiPoint"}


@dataclass(frozen=True)
class _Pair:
    shp: ShpWriter
    dbf: DbfWriter
    path: Path


class SplitShapefile:
    """Writes features of one type; a further file is begun before one passes the limit.

    Parameters
    ----------
    plan : WritePlan
    name : str
        Of the first file, without its suffix; the next ones have a number.
    shape_type : int
        As the shapefile numbers them, without heights and measures.
    table : ShapefileTable
        Shared with the files of other types: they have the same fields.
    """

    def __init__(self, plan: WritePlan, name: str, shape_type: int, table: ShapefileTable) -> None:
        self._plan = plan
        self.name = name
        self._type = shape_type
        self._table = table
        # Which integers must be kept as text is known only at the end: the tables stay open.
        self._full: list[_Pair] = []
        self.flattened = self.unmeasured = self.raised = 0
        self._has_z, self._has_m = plan.has_z, False
        self._open()

    def write(self, geometries: Any, attributes: Any) -> None:
        """Append features.

        Raises
        ------
        ServiceError
            If one of them is larger than a shapefile may be.
        OSError
            If the disk is full or fails.
        """
        if not self._shp.count and not self._full:
            self._look(geometries)
        texts = self._table.texts(attributes, self._shp.count + 1)
        first = self._shp.count + 1
        records = to_records(geometries, self._type, first, has_z=self._has_z, has_m=self._has_m)
        if self._fits(records, texts):
            self._shp.write(records)
            self._dbf.write(texts)
            self.flattened += records.flattened
            self.unmeasured += records.unmeasured
            self.raised += records.raised
        elif self._shp.count:
            self._full.append(_Pair(self._shp, self._dbf, self._path))
            self._open()
            self.write(geometries, attributes)
        elif len(geometries) > 1:
            half = len(geometries) // 2
            self.write(geometries[:half], attributes[:half])
            self.write(geometries[half:], attributes[half:])
        else:
            raise ServiceError(
                f"one feature of {self.name} needs more than {self._plan.max_bytes:,} bytes, "
                "the most that a shapefile holds",
                hint="Ask for another format, such as GeoPackage.",
            )

    def close(self, as_text: Collection[str]) -> list[WrittenLayer]:
        """Finish the files; fields that are named hold their integers as text."""
        return [self._finish(pair, as_text) for pair in self._pairs()]

    def abandon(self) -> None:
        """Let go of the files as they are."""
        for pair in self._pairs():
            pair.shp.abandon()
            pair.dbf.abandon()

    def _pairs(self) -> list[_Pair]:
        return [*self._full, _Pair(self._shp, self._dbf, self._path)]

    def _look(self, geometries: Any) -> None:
        """Settle by the first features whether the file has heights and measures.

        All records of a file are of one type, and what a layer declares leaves out measures, and
        heights where its type is open.
        """
        high, measured = dimensions(geometries)
        has_z, has_m = self._has_z or bool(high.any()), bool(measured.any())
        if (has_z, has_m) != (self._has_z, self._has_m):
            self._has_z, self._has_m = has_z, has_m
            self._shp.abandon()
            self._dbf.abandon()
            self._open()

    def _open(self) -> None:
        number = len(self._full) + 1
        name = self.name if number == 1 else f"{self.name}_{number}"
        self._path = self._plan.folder / f"{name}.shp"
        self._shp = ShpWriter(self._path, self._type, self._has_z, self._has_m)
        self._dbf = DbfWriter(
            self._path.with_suffix(".dbf"), self._table.columns(), self._plan.made_on
        )

    def _fits(self, records: Records, texts: Any) -> bool:
        shp = self._shp.size_bytes + records.size_bytes
        return max(shp, self._dbf.size_with(texts)) <= self._plan.max_bytes

    def _finish(self, pair: _Pair, as_text: Collection[str]) -> WrittenLayer:
        pair.shp.close()
        pair.dbf.close(as_text)
        _write_sidecars(pair.path, self._plan, self._table.names)
        bounds = pair.shp.bounds
        return WrittenLayer(
            format="shapefile",
            path=pair.path,
            # A name has no dot, so that no other file of the layer begins so.
            files=tuple(sorted(pair.path.parent.glob(f"{pair.path.stem}.*"))),
            layer=pair.path.stem,
            geometry_type=TYPE_NAMES[self._type],
            features=pair.shp.count,
            fields=self._table.names,
            bounds=None if bounds is None else tuple(bounds.tolist()),
        )


def _write_sidecars(path: Path, plan: WritePlan, names: dict[str, str]) -> None:
    path.with_suffix(".prj").write_text(esri_wkt(plan.crs), encoding="utf-8")
    path.with_suffix(".cpg").write_text("UTF-8", encoding="ascii")
    if any(old != new for old, new in names.items()):
        path.with_suffix(".shp.xml").write_text(_aliases(names), encoding="utf-8")


def _aliases(names: dict[str, str]) -> str:
    """Return the metadata in which ArcGIS, and GDAL from 3.13, look for the full names."""
    fields = "".join(
        f'<attr><attrlabl Sync="TRUE">{escape(new)}</attrlabl>'
        f'<attalias Sync="TRUE">{escape(_printable(old))}</attalias></attr>'
        for old, new in names.items()
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<metadata><eainfo><detailed>{fields}</detailed></eainfo></metadata>\n"
    )


def _printable(name: str) -> str:
    # XML 1.0 has no control characters, not even escaped.
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
