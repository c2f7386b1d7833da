"""Write ESRI shapefiles: .shp, .shx, .dbf, .prj, .cpg and .shp.xml, always in UTF-8."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from marinemap.errors import ServiceError
from marinemap.extraction.formats.format import Format
from marinemap.extraction.formats.plan import WritePlan
from marinemap.extraction.formats.shapefile_read_back import read_back
from marinemap.extraction.formats.shp_records import MULTIPOINT, POINT, POLYGON, POLYLINE
from marinemap.extraction.formats.split_shapefile import TYPE_NAMES, SplitShapefile
from marinemap.extraction.formats.table import ShapefileTable
from marinemap.extraction.formats.weight import Weight
from marinemap.extraction.formats.wkb_to_shp import split_collections
from marinemap.extraction.formats.written import Loss, WrittenLayer, parted_collections
from marinemap.extraction.geometry.wkb import kinds
from marinemap.extraction.words import counted
from marinemap.sentences import say

_SUFFIXES = {POINT: "_point", MULTIPOINT: "_point", POLYLINE: "_line", POLYGON: "_polygon"}
# Base type of WKB to shape type. A shapefile has no distinction between single and multi for
# lines and polygons (Esri, ShapefileTechnical Description, 1998); points do differ.
_OF_WKB = {1: MULTIPOINT, 2: POLYLINE, 3: POLYGON, 4: MULTIPOINT, 5: POLYLINE, 6: POLYGON}
_COLLECTION = 7
_FLATTENED = "the heights of {} are left out: the first features of their file have none"
_UNMEASURED = "the measures (M) of {} are left out: the first features of their file have none"
_RAISED = "{} with positions that have no height: 0 stands in its place"


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
        self._files: dict[int, SplitShapefile] = {}
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
        losses = (*self._table.losses(), *self._heights(), *parted_collections(self._collections))
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

    def _file(self, shape_type: int) -> SplitShapefile:
        if shape_type not in self._files:
            suffix = "" if shape_type == self._declared else _SUFFIXES[shape_type]
            self._files[shape_type] = SplitShapefile(
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
            Loss(kind, "", count, detail.format(counted(count)))
            for (kind, detail), count in counts.items()
            if count
        ]


def _declared_type(geometry_type: str) -> int | None:
    """Return the shape type that a declared type stands for, None where it is open."""
    plain = geometry_type.removeprefix("3D ")
    if plain == "Point":
        return POINT
    names = {"LinearRing": POLYLINE} | {name: kind for kind, name in TYPE_NAMES.items()}
    return names.get(plain, names.get(plain.removeprefix("Multi")))


def _foresee(attributes: Any) -> list[Loss]:
    table = ShapefileTable(attributes.schema)
    table.texts(attributes, 1)
    renamed = ((old, new) for old, new in table.names.items() if old != new)
    return [
        *(Loss("renamed", old, 0, _renamed(old, new)) for old, new in renamed),
        *(
            Loss(
                "type_changed",
                name,
                0,
                say("'{field}' has integers of more than 15 digits", field=name),
            )
            for name in table.large_integers
        ),
        *table.losses(),
    ]


def _renamed(old: str, new: str) -> str:
    return say("'{field}' would be named '{name}'", field=old, name=new)


def _table_bytes(attributes: Any) -> int:
    """Return what rows take in a DBF, where each value is as wide as the longest of its column."""
    table = ShapefileTable(attributes.schema)
    longest = (pc.max(pc.binary_length(text)).as_py() or 0 for text in table.texts(attributes, 1))
    widths = [max(c.width, width) for c, width in zip(table.columns(), longest, strict=True)]
    return (1 + sum(widths)) * int(attributes.num_rows)


FORMAT = Format(
    id="shapefile",
    title="Shapefile",
    suffix=".shp",
    media_type="application/vnd.shp",
    about="Field names hold ten letters, texts 254 bytes, tables 255 fields; no time of day, no "
    "integers of more than 15 digits. What does not fit comes in full in a GeoPackage beside it.",
    parts_collections=True,
    has_esri_crs=True,
    writer=ShapefileSet,
    weigh=Weight(empty=500, feature=34, values=_table_bytes),
    read_back=read_back,
    foresee=_foresee,
    readme=(
        "Each shapefile is several files with one name: .shp and .shx hold the geometries, .dbf",
        "the table, .prj the coordinate reference system, .cpg the encoding (UTF-8). Keep them",
        "together. A shapefile cannot tell an empty text from none, and readers differ in what",
        "they take for no date and no number: some show nothing, some 0.",
    ),
)
