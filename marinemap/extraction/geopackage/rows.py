"""Rows of a plain GeoPackage, as SQLite gives them.

GDAL takes longer to open a layer than to read a hundred features of it. Here is read what is
certain to be the same by either way: values that are of their column's type to the letter, and
geometries as the standard has them (GeoPackage 1.3, 1.1.1.1.3 and 2.1.3). Of all else, such as a
date with slashes or a number too large for its column, GDAL makes what it makes.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from marinemap.extraction.geopackage.index import RTree
from marinemap.extraction.geopackage.rtree_nodes import quoted

Array = np.ndarray[Any, Any]
Values = Sequence[Any]

# 1 January of the year 1, from 1970.
_FIRST_DAY = date.min.toordinal() - date(1970, 1, 1).toordinal()
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", re.ASCII)
_MOST_EXACT = 2**53
# Bytes before the WKB, by the header's byte of flags: of a geometry that is neither empty nor of
# an extension, with a box of none to four dimensions.
_BOX_BYTES = (0, 32, 48, 48, 64)
_STARTS = {
    size_code << 1 | order: 8 + size
    for size_code, size in enumerate(_BOX_BYTES)
    for order in (0, 1)
}
# Points to collections, flat or with heights.
_HEADS = frozenset(
    b"\x01" + code.to_bytes(4, "little") for more in (0, 1000) for code in range(more + 1, more + 8)
)


class _NotPlain(ValueError):
    """Something of which GDAL may make something else."""


@dataclass(frozen=True)
class Rows:
    """Features in rising order of their keys: geometries as WKB, attributes as GDAL has them."""

    keys: Array
    geometries: Any
    attributes: Any


@dataclass(frozen=True)
class PlainTable:
    """A layer whose rows can be read so.

    Parameters
    ----------
    name, key, geometry : str
        The table, and the columns of keys and of geometries.
    schema : pyarrow.Schema
        Of the attributes, as GDAL has it.
    """

    name: str
    key: str
    geometry: str
    schema: pa.Schema

    def read(self, database: sqlite3.Connection, keys: Array) -> Rows | None:
        """Return the features of these keys; None where GDAL has to read them."""
        try:
            # As one text: the statement is the same each time, and need not be prepared anew.
            numbers = ",".join(map(str, keys.tolist()))
            found = database.execute(self._query, [f"[{numbers}]"]).fetchall()
            columns = list(zip(*found, strict=True)) or [()] * (len(self.schema) + 2)
            attributes = [
                _READERS[each.type](values, each.type)
                for values, each in zip(columns[2:], self.schema, strict=True)
            ]
            return Rows(
                np.array(columns[0], np.int64),
                pa.array(map(_wkb, columns[1]), pa.binary()),
                _table(attributes, self.schema, len(found)),
            )
        except (sqlite3.Error, OverflowError, ValueError, pa.ArrowException):
            # A text in another encoding, a day that is none, a table that is locked.
            return None

    @cached_property
    def _query(self) -> str:
        names = [self.key, self.geometry, *self.schema.names]
        key, columns = quoted(self.key), ", ".join(map(quoted, names))
        return (
            f"SELECT {columns} FROM {quoted(self.name)} "
            f"WHERE {key} IN (SELECT value FROM json_each(?)) ORDER BY {key}"
        )


def find_plain_table(
    database: sqlite3.Connection, layer: str, index: RTree, schema: pa.Schema
) -> PlainTable | None:
    """Return how a layer's rows can be read; None where GDAL has to.

    Parameters
    ----------
    database : sqlite3.Connection
    layer : str
    index : RTree
    schema : pyarrow.Schema
        Of the attributes, as GDAL has it.

    Raises
    ------
    sqlite3.Error
        If the file cannot be read.
    """
    kind = database.execute("SELECT type FROM sqlite_master WHERE name = ?", [layer]).fetchall()
    columns = database.execute("SELECT name, type FROM pragma_table_xinfo(?)", [layer]).fetchall()
    types = dict(columns)
    # A quoted name that is no column's would be a text to SQLite.
    is_known = {index.geometry, *schema.names}.issubset(types)
    # The number of the row itself.
    is_key = types.get(index.key, "").upper() == "INTEGER"
    is_readable = all(each.type in _READERS for each in schema)
    if kind != [("table",)] or not (is_known and is_key and is_readable):
        return None
    return PlainTable(layer, index.key, index.geometry, schema)


def _table(columns: list[Any], schema: pa.Schema, count: int) -> Any:
    if columns:
        return pa.Table.from_arrays(columns, schema=schema)
    # As many rows without any field.
    return pa.table({"": pa.nulls(count)}).select([])


def _wkb(blob: Any) -> bytes | None:
    if blob is None:
        return None
    if type(blob) is not bytes or blob[:3] != b"GP\0":
        raise _NotPlain
    start = _STARTS.get(blob[3], len(blob))
    if blob[start : start + 5] not in _HEADS:
        raise _NotPlain
    return blob[start:]


def _check(values: Values, *wanted: type) -> None:
    if not set(map(type, values)).issubset((*wanted, type(None))):
        raise _NotPlain


def _integers(values: Values, type_: pa.DataType) -> Any:
    _check(values, int)
    # What is too large is an error.
    return pa.array(values, type_)


def _flags(values: Values, type_: pa.DataType) -> Any:
    if not set(values).issubset((0, 1, None)):
        raise _NotPlain
    return pa.array([None if value is None else bool(value) for value in values], type_)


def _numbers(values: Values, type_: pa.DataType) -> Any:
    _check(values, float, int)
    if any(abs(value) > _MOST_EXACT for value in values if type(value) is int):
        raise _NotPlain
    found = pa.array(values, pa.float64())
    narrow = found if type_ == pa.float64() else found.cast(type_)
    if not np.isfinite(np.asarray(narrow.drop_null())).all():
        raise _NotPlain
    return narrow


def _texts(values: Values, type_: pa.DataType) -> Any:
    _check(values, str)
    # GDAL ends a text there.
    if "\0" in "".join(filter(None, values)):
        raise _NotPlain
    return pa.array(values, type_)


def _blobs(values: Values, type_: pa.DataType) -> Any:
    _check(values, bytes)
    return pa.array(values, type_)


def _days(values: Values, type_: pa.DataType) -> Any:
    _check(values, str)
    # Arrow takes a day of ten characters only, and one more year than Python.
    found = pa.array(values, pa.string()).cast(type_)
    first = pc.min(found).value
    if first is not None and first < _FIRST_DAY:
        raise _NotPlain
    return found


def _moments(values: Values, type_: pa.DataType) -> Any:
    return pa.array([_parsed(value, _MOMENT, datetime.fromisoformat) for value in values], type_)


def _parsed(value: Any, pattern: re.Pattern[str], parse: Callable[[str], Any]) -> Any:
    if value is None:
        return None
    if type(value) is not str or not pattern.fullmatch(value):
        raise _NotPlain
    return parse(value)


_READERS: dict[Any, Callable[[Values, pa.DataType], Any]] = {
    pa.bool_(): _flags,
    pa.int16(): _integers,
    pa.int32(): _integers,
    pa.int64(): _integers,
    pa.float32(): _numbers,
    pa.float64(): _numbers,
    pa.string(): _texts,
    pa.binary(): _blobs,
    pa.date32(): _days,
    pa.timestamp("ms", "UTC"): _moments,
}
