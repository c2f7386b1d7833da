"""The columns of a table: how each is asked for in SQL, and what it is in Arrow."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from psycopg.sql import SQL, Composable, Identifier, Literal

from marinemap.errors import DatasetError, did_you_mean
from marinemap.extraction.postgis.session import Session
from marinemap.extraction.postgis.table import Table
from marinemap.sentences import say

# Names that programs give to a column of keys; others are the data's own, and fields.
_GIVEN_KEYS = ("fid", "ogc_fid")
Array = np.ndarray[Any, Any]
INTEGERS = ("int2", "int4", "int8")
_SPATIAL = ("geometry", "geography")
_ALL_DIGITS = re.compile(r"numeric\((\d+),0\)")
_MOST_DIGITS = 18


@dataclass(frozen=True)
class Kind:
    """How values of a type come: asked for by ``sql``, in COPY's binary form as ``wire``.

    ``wire`` is a NumPy type, None for bytes of any number; ``word`` is the type for people.
    """

    sql: str
    wire: str | None
    arrow: pa.DataType
    word: str


# PostgreSQL counts days and microseconds from the year 2000.
_DAYS, _MICROSECONDS = 10_957, 946_684_800_000_000
_DAY = 86_400_000_000
_KINDS = {
    "bool": Kind("{}", "?", pa.bool_(), "bool"),
    "int2": Kind("{}", ">i2", pa.int16(), "int16"),
    "int4": Kind("{}", ">i4", pa.int32(), "int32"),
    "int8": Kind("{}", ">i8", pa.int64(), "int64"),
    "float4": Kind("{}", ">f4", pa.float32(), "float32"),
    "float8": Kind("{}", ">f8", pa.float64(), "float"),
    "numeric": Kind("{}::float8", ">f8", pa.float64(), "float"),
    "date": Kind("{}", ">i4", pa.date32(), "date"),
    "time": Kind("{}", ">i8", pa.time64("us"), "time"),
    "timestamp": Kind("{}", ">i8", pa.timestamp("us"), "datetime"),
    "timestamptz": Kind("{}", ">i8", pa.timestamp("us", "UTC"), "datetime"),
    "uuid": Kind("{}::text", None, pa.string(), "uuid"),
    "json": Kind("{}::text", None, pa.string(), "json"),
    "jsonb": Kind("{}::text", None, pa.string(), "json"),
    "bytea": Kind("{}", None, pa.binary(), "bytes"),
}
_WHOLE_NUMBER = Kind("{}::int8", ">i8", pa.int64(), "int64")
_ARRAY = Kind("to_json({})::text", None, pa.string(), "json")
_TEXT = Kind("{}::text", None, pa.string(), "str")
_SINCE_2000 = {pa.date32(): _DAYS, pa.timestamp("us"): _MICROSECONDS}
_SINCE_2000[pa.timestamp("us", "UTC")] = _MICROSECONDS


@dataclass(frozen=True)
class Column:
    """A column of a table, by its name and its type in PostgreSQL's words."""

    name: str
    type: str
    full_type: str
    is_not_null: bool = False

    @property
    def kind(self) -> Kind:
        """How its values come."""
        digits = _ALL_DIGITS.fullmatch(self.full_type)
        if digits and int(digits[1]) <= _MOST_DIGITS:
            return _WHOLE_NUMBER
        if self.type.startswith("_"):
            return _ARRAY
        return _KINDS.get(self.type, _TEXT)

    @property
    def is_spatial(self) -> bool:
        """Tell whether it holds geometries."""
        return self.type in _SPATIAL

    def asked(self) -> Composable:
        """Return what asks for its values."""
        return SQL(self.kind.sql).format(Identifier(self.name))


@dataclass(frozen=True)
class Shape:
    """What a table is made of: its oid, its columns, the geometry's, the key's."""

    oid: int
    kind: str
    columns: tuple[Column, ...]
    geometry: Column
    key: str

    @property
    def own_key(self) -> str | None:
        """The column of keys where it has a name of the data's own: then it is a field."""
        return None if self.key.lower() in _GIVEN_KEYS else self.key

    @property
    def fields(self) -> tuple[Column, ...]:
        """The columns that are fields of features."""
        hidden = () if self.own_key else (self.key,)
        return tuple(c for c in self.columns if not c.is_spatial and c.name not in hidden)

    def geometry_sql(self) -> Composable:
        """Return the geometry in SQL; of a geography the same positions."""
        cast = SQL("::geometry") if self.geometry.type == "geography" else SQL("")
        return Identifier(self.geometry.name) + cast


_COLUMNS = """
SELECT c.oid, c.relkind, a.attname, t.typname,
       format_type(t.oid, CASE WHEN own.typbasetype = 0 THEN a.atttypmod ELSE own.typtypmod END),
       a.attnotnull
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_type own ON own.oid = a.atttypid
  JOIN pg_type t ON t.oid = CASE WHEN own.typbasetype = 0 THEN own.oid ELSE own.typbasetype END
 WHERE n.nspname = {schema} AND c.relname = {relation} ORDER BY a.attnum
"""
_KEYS = """
SELECT a.attname FROM pg_index i
  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
 WHERE i.indrelid = {oid} AND i.indisunique AND i.indimmediate AND i.indisvalid
   AND i.indpred IS NULL AND i.indnkeyatts = 1 AND a.attnotnull
 ORDER BY i.indisprimary DESC, a.attnum
"""


def shape_of(opened: Session, table: Table) -> Shape:
    """Look up what a table is made of.

    Raises
    ------
    DatasetError
        If there is no such table, it has no geometry or several, or no key of whole numbers.
    """
    names = {"schema": Literal(table.schema), "relation": Literal(table.relation)}
    found = opened.rows(SQL(_COLUMNS).format(**names))
    if not found:
        raise DatasetError(
            say(
                "there is no table '{layer}' in the {name}, or it has no columns",
                layer=table.layer,
                name=table.name,
            ),
            field="layer",
            value=table.layer,
        )
    columns = tuple(Column(str(row[2]), str(row[3]), str(row[4]), row[5] == "t") for row in found)
    oid = int(found[0][0] or 0)
    geometry = _geometry(table, columns)
    return Shape(oid, str(found[0][1]), columns, geometry, _key(opened, table, oid, columns))


def _geometry(table: Table, columns: Sequence[Column]) -> Column:
    spatial = {column.name: column for column in columns if column.is_spatial}
    if table.geometry in spatial:
        return spatial[table.geometry]
    if table.geometry or len(spatial) != 1:
        named = (
            f"no geometry '{table.geometry}'" if table.geometry else f"{len(spatial)} geometries"
        )
        listed = ", ".join(f"'{name}'" for name in spatial) or "none"
        raise DatasetError(
            say(
                "table '{layer}' of the {name} has {named}; its columns of type geometry "
                "or geography: {listed}.{nearest}",
                layer=table.layer,
                name=table.name,
                named=named,
                listed=listed,
                nearest=did_you_mean(table.geometry, spatial),
            ),
            field="source",
            hint=say("Name one in the layer's address: &geometry=column."),
        )
    return next(iter(spatial.values()))


def _key(opened: Session, table: Table, oid: int, columns: Sequence[Column]) -> str:
    """Return the column by which features are found again: whole numbers, each once."""
    whole = [column.name for column in columns if column.type in INTEGERS]
    if table.key:
        if table.key in whole:
            return table.key
        raise DatasetError(
            say(
                "table '{layer}' of the {name} has no column '{key}' of whole numbers.{nearest}",
                layer=table.layer,
                name=table.name,
                key=table.key,
                nearest=did_you_mean(table.key, whole),
            ),
            field="source",
        )
    unique = [str(row[0]) for row in opened.rows(SQL(_KEYS).format(oid=Literal(oid)))]
    found = next((name for name in unique if name in whole), None)
    if found is None:
        raise DatasetError(
            say(
                "table '{layer}' of the {name} has no key of whole numbers, by which "
                "features are found again",
                layer=table.layer,
                name=table.name,
            ),
            field="source",
            hint=say(
                "Name a column of unique whole numbers in the layer's address, such as "
                "&key=gid; a table gets one by ALTER TABLE ... ADD COLUMN gid bigint "
                "GENERATED ALWAYS AS IDENTITY PRIMARY KEY."
            ),
        )
    return found


def since_1970(values: Array, kind: Kind) -> Array:
    """Return dates and times counted as Arrow counts them.

    Raises
    ------
    ValueError
        If one is infinite, the end of a day, or later than 64 bits tell of 1970, as PostgreSQL has
        them.
    """
    if pa.types.is_time(kind.arrow) and (values == _DAY).any():
        raise ValueError("holds '24:00:00', which elsewhere is no time of day")
    begin = _SINCE_2000.get(kind.arrow)
    if begin is None:
        return values
    limits = np.iinfo(values.dtype)
    if ((values == limits.max) | (values == limits.min)).any():
        raise ValueError("holds 'infinity', which is no date")
    if (values > limits.max - begin).any():
        raise ValueError("holds a moment after the year 294246, which elsewhere is none")
    return values + begin
