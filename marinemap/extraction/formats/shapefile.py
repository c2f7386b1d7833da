"""Write ESRI shapefiles: .shp, .shx, .dbf, .prj, .cpg and .shp.xml, always in UTF-8."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import pyarrow as pa

from marinemap.errors import ServiceError
from marinemap.extraction.formats.dbf import DbfWriter
from marinemap.extraction.formats.format import Format
from marinemap.extraction.formats.plan import WritePlan
from marinemap.extraction.formats.shapefile_read_back import read_back
from marinemap.extraction.formats.shp import ShpWriter
from marinemap.extraction.formats.shp_records import MULTIPOINT, POINT, POLYGON, POLYLINE
from marinemap.extraction.formats.table import ShapefileTable
from marinemap.extraction.formats.wkb_to_shp import Records, split_collections, to_records
from marinemap.extraction.formats.written import Loss, WrittenLayer
from marinemap.extraction.wkb import dimensions, kinds

_NAMES = {POINT: "Point", POLYLINE: "LineString", POLYGON: "Polygon", MULTIPOINT: "MultiPoint"}
_SUFFIXES = {POINT: "_point", MULTIPOINT: "_point", POLYLINE: "_line", POLYGON: "_polygon"}
# Base type of WKB to shape type. A shapefile has no distinction between single and multi for
# lines and polygons (Esri, ShapefileTechnical Description, 1998); points do differ.
_OF_WKB = {1: MULTIPOINT, 2: POLYLINE, 3: POLYGON, 4: MULTIPOINT, 5: POLYLINE, 6: POLYGON}
_COLLECTION = 7
_FLATTENED = "the heights of {:,} features are left out: the first features of their file have none"
_UNMEASURED = (
    "the measures (M) of {:,} features are left out: the first features of their file have none"
)
_RAISED = "{:,} features have positions without a height: 0 stands in its place"


class ShapefileSet:
    """Writes a layer as one shapefile for each type of geometry that it holds.

    Parameters
    ----------
    plan : WritePlan
        Where its geometry type is one type, a file of that type is made even if no feature
        comes.
    """

    def __init__(self, plan: WritePlan) -> None:
        self._plan = plan
        self._table = ShapefileTable(plan.schema)
        self._files: dict[int, _Splitting] = {}
        self._declared = _declared_type(plan.geometry_type)
        self._collections = 0

    def write(self, geometries: Any, attributes: Any) -> None:
        """Append features, each to the file of its type.

        Raises
        ------
        RequestError
            If the rows are too long for a DBF.
        ServiceError
            If the disk is full or fails.
        """
        geometries, attributes = self._without_collections(geometries, attributes)
        types = self._types(geometries)
        for shape_type in np.unique(types).tolist():
            chosen = types == shape_type
            every = bool(chosen.all())
            mask = None if every else pa.array(chosen)
            file = self._file(shape_type)
            try:
                file.write(
                    geometries if every else geometries.filter(mask),
                    attributes if every else attributes.filter(mask),
                )
            except OSError as error:
                raise ServiceError(f"{self._plan.name}.shp cannot be written: {error}") from error

    def close(self) -> list[WrittenLayer]:
        """Finish the files; the losses come with the first."""
        if not self._files:
            self._file(self._declared or POLYGON)
        files = sorted(self._files.values(), key=lambda file: file.name)
        as_text = [self._table.names[name] for name in self._table.large_integers]
        written = [layer for file in files for layer in file.close(as_text)]
        losses = (*self._table.losses(), *self._heights(), *self._split())
        written[0] = dataclasses.replace(written[0], losses=losses)
        return written

    def abandon(self) -> None:
        """Let go of the files as they are."""
        for file in self._files.values():
            file.abandon()

    def _types(self, geometries: Any) -> Any:
        found = kinds(geometries)
        table = np.array([_OF_WKB.get(kind, 0) for kind in range(_COLLECTION + 1)])
        types = table[np.minimum(found, _COLLECTION)]
        if self._declared == POINT:
            types[found == 1] = POINT
        return types

    def _without_collections(self, geometries: Any, attributes: Any) -> tuple[Any, Any]:
        """Put in place of each collection a feature for each type among its parts."""
        collections = kinds(geometries) == _COLLECTION
        if not collections.any():
            return geometries, attributes
        self._collections += int(collections.sum())
        plain = np.flatnonzero(~collections)
        rows, parts = split_collections(geometries, np.flatnonzero(collections))
        every = np.concatenate([plain, rows])
        column = pa.concat_arrays([geometries.take(pa.array(plain)), parts])
        order = np.argsort(every, kind="stable")
        return column.take(pa.array(order)), attributes.take(pa.array(every[order]))

    def _file(self, shape_type: int) -> _Splitting:
        if shape_type not in self._files:
            suffix = "" if shape_type == self._declared else _SUFFIXES[shape_type]
            self._files[shape_type] = _Splitting(
                self._plan, f"{self._plan.name}{suffix}", shape_type, self._table
            )
        return self._files[shape_type]

    def _heights(self) -> list[Loss]:
        files = self._files.values()
        counts = {
            ("height", _FLATTENED): sum(file.flattened for file in files),
            ("measure", _UNMEASURED): sum(file.unmeasured for file in files),
            ("height", _RAISED): sum(file.raised for file in files),
        }
        return [
            Loss(kind, "", count, detail.format(count))
            for (kind, detail), count in counts.items()
            if count
        ]

    def _split(self) -> list[Loss]:
        count = self._collections
        detail = f"{count:,} collections of several types became a feature for each type"
        return [Loss("collection", "", count, detail)] if count else []


@dataclasses.dataclass(frozen=True)
class _Pair:
    shp: ShpWriter
    dbf: DbfWriter
    path: Path


class _Splitting:
    """Shapefiles of one type; a further one is begun before a file passes the limit."""

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
        return [self._finish(pair, as_text) for pair in self._pairs()]

    def abandon(self) -> None:
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
            format=FORMAT.id,
            path=pair.path,
            # A name has no dot, so that no other file of the layer begins so.
            files=tuple(sorted(pair.path.parent.glob(f"{pair.path.stem}.*"))),
            layer=pair.path.stem,
            geometry_type=_NAMES[self._type],
            features=pair.shp.count,
            fields=self._table.names,
            bounds=None if bounds is None else tuple(bounds.tolist()),
        )


def _declared_type(geometry_type: str) -> int | None:
    """Return the shape type that a declared type stands for, None where it is open."""
    plain = geometry_type.removeprefix("3D ")
    if plain == "Point":
        return POINT
    names = {"LinearRing": POLYLINE} | {name: kind for kind, name in _NAMES.items()}
    return names.get(plain, names.get(plain.removeprefix("Multi")))


def _write_sidecars(path: Path, plan: WritePlan, names: dict[str, str]) -> None:
    path.with_suffix(".prj").write_text(plan.crs.to_wkt("WKT1_ESRI"), encoding="utf-8")
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


def _foresee(attributes: Any) -> list[Loss]:
    table = ShapefileTable(attributes.schema)
    table.texts(attributes, 1)
    renamed = ((old, new) for old, new in table.names.items() if old != new)
    return [
        *(Loss("renamed", old, 0, f"'{old}' would be named '{new}'") for old, new in renamed),
        *(
            Loss("type_changed", name, 0, f"'{name}' has integers of more than 15 digits")
            for name in table.large_integers
        ),
        *table.losses(),
    ]


FORMAT = Format(
    id="shapefile",
    title="Shapefile",
    suffix=".shp",
    media_type="application/vnd.shp",
    about="Field names hold ten letters, texts 254 bytes, tables 255 fields; no time of day, no "
    "integers of more than 15 digits. What does not fit comes in full in a GeoPackage beside it.",
    writer=ShapefileSet,
    read_back=read_back,
    foresee=_foresee,
    readme=(
        "Each shapefile is several files with one name: .shp and .shx hold the geometries, .dbf",
        "the table, .prj the coordinate reference system, .cpg the encoding (UTF-8). Keep them",
        "together. A shapefile cannot tell an empty text from none, and readers differ in what",
        "they take for no date and no number: some show nothing, some 0.",
    ),
)
