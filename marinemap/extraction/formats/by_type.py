"""A file for each type of geometry, for formats of which one holds one type."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from marinemap.extraction.formats.columns import Columns
from marinemap.extraction.formats.ogr import OgrWriter, declared_kind
from marinemap.extraction.formats.plan import WritePlan
from marinemap.extraction.formats.wkb_to_shp import split_collections
from marinemap.extraction.formats.written import WrittenLayer, parted_collections
from marinemap.extraction.geometry.wkb import dimensions, kinds, promoted

_KINDS = ["", "Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon"]
_COLLECTION = 7
_SUFFIXES = {"Point": "_point", "LineString": "_line", "Polygon": "_polygon"}

# Opens a file of a name and a type, both as pyogrio takes them.
OpenFile = Callable[[str, str], OgrWriter]
_Key = tuple[int, bool, bool]


class ByType:
    """Writes a layer as a file for each type that it holds, heights and measures included.

    Singles are kept as multi-geometries of one part, but for the points of a layer that is declared
    to hold points. The declared type, or the first of its kind, has the plain name.

    Parameters
    ----------
    plan : WritePlan
    columns : Columns
    open_file : callable
    """

    def __init__(self, plan: WritePlan, columns: Columns, open_file: OpenFile) -> None:
        self._plan = plan
        self._columns = columns
        self._open_file = open_file
        self._declared = declared_kind(plan)
        self._files: dict[_Key, OgrWriter] = {}
        self._names: list[str] = []
        self._collections = 0

    def write(self, geometries: Any, attributes: Any) -> None:
        """Append features, each to the file of its type."""
        rows, geometries = self._of_one_type_each(geometries)
        if rows is not None:
            attributes = attributes.take(rows)
        columns = self._columns.written(attributes)
        keys = np.column_stack([kinds(geometries), *dimensions(geometries)]).astype(int)
        found, which = np.unique(keys, axis=0, return_inverse=True)
        for number, (kind, has_z, has_m) in enumerate(found.tolist()):
            file = self._file((kind, bool(has_z), bool(has_m)))
            if len(found) == 1:
                file.write_columns(geometries, columns)
                return
            mask = pa.array(which.ravel() == number)
            file.write_columns(geometries.filter(mask), [each.filter(mask) for each in columns])

    def close(self) -> list[WrittenLayer]:
        """Finish the files; the losses come with the first."""
        if not self._files:
            kind = self._declared if self._declared != "Unknown" else "MultiPolygon"
            self._file((_KINDS.index(kind), self._plan.has_z, False))
        written = [layer for file in self._files.values() for layer in file.close()]
        losses = (*self._columns.losses(), *parted_collections(self._collections))
        plain = [dataclasses.replace(layer, losses=()) for layer in written]
        return [dataclasses.replace(plain[0], losses=losses), *plain[1:]]

    def abandon(self) -> None:
        """Let go of the files as they are."""
        for file in self._files.values():
            file.abandon()

    def _of_one_type_each(self, geometries: Any) -> tuple[Any, Any]:
        """Return geometries of one type each, and the rows that they came from, if others."""
        collections = kinds(geometries) == _COLLECTION
        rows = None
        if collections.any():
            self._collections += int(collections.sum())
            plain = np.flatnonzero(~collections)
            parted, parts = split_collections(geometries, np.flatnonzero(collections))
            every = np.concatenate([plain, parted])
            order = np.argsort(every, kind="stable")
            geometries = pa.concat_arrays([geometries.take(pa.array(plain)), parts])
            geometries, rows = geometries.take(pa.array(order)), pa.array(every[order])
        if self._declared != "Point":
            return rows, promoted(geometries)
        points = pa.array(kinds(geometries) == 1)
        return rows, pa.compute.if_else(points, geometries, promoted(geometries))

    def _file(self, key: _Key) -> OgrWriter:
        if key not in self._files:
            kind = _KINDS[key[0]]
            suffix = "" if kind == self._declared else _SUFFIXES[kind.removeprefix("Multi")]
            name = self._free(f"{self._plan.name}{suffix}")
            self._names.append(name)
            self._files[key] = self._open_file(name, _type_name(kind, key[1], key[2]))
        return self._files[key]

    def _free(self, name: str) -> str:
        found, number = name, 1
        while found in self._names:
            number += 1
            found = f"{name}_{number}"
        return found


def _type_name(kind: str, has_z: bool, has_m: bool) -> str:
    """Return what pyogrio calls a type."""
    if has_m:
        plain = "PointM" if kind == "Point" else f"Measured {kind}"
        return f"Measured 3D {kind}" if has_z else plain
    return f"{kind} Z" if has_z else kind
