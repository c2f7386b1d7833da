"""Values of a GeoPackage, or another SQLite database, that GDAL gives as others, without a word.

SQLite lets a column hold anything. GDAL 3.12 cuts a whole number to the bits of its column, takes
a text for 0 and what is no day for the first of 1970 or for another day, and ends a text where the
sign NUL stands.
"""

from __future__ import annotations

import math
import re
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from marinemap.errors import DatasetError, quote
from marinemap.extraction.sources.impossible_days import condition_of, is_impossible
from marinemap.extraction.sources.sqlite_source import open_unwritten
from marinemap.sentences import say

# What GDAL gives of what is no day, and of what is no moment (of a time of day alone the second
# before 1970); and the texts that it reads as that rightly.
_FIRST_DAY, _FIRST_MOMENTS = [0], [0, -1_000]
_DAYS = re.compile(r"1970[-/]0?1[-/]0?1([T ].*)?", re.ASCII)
_MOMENTS = re.compile(
    r"(1970[-/]0?1[-/]0?1|1969[-/]12[-/]31)"
    r"([T ]([01]?\d|2[0-3]):[0-5]?\d(:[0-5]?\d(\.\d*)?)?\s*(Z|[+-]\d\d(:?\d\d)?)?)?",
    re.ASCII,
)
_MOST_LETTERS = 60
# GDAL makes a thousand milliseconds of what is rounded to them, and then none.
_FINE = re.compile(r"\.999[5-9]")
# Behind a day: in a column of days GDAL leaves it out.
_TIME = re.compile(r"\d[T ]\s*(\d.*)", re.DOTALL)
_MIDNIGHT = re.compile(r"00?:00(:00(\.0*)?)?\s*(Z|[+-]\d\d(:?\d\d)?)?\s*", re.ASCII)
# What is larger is infinite in 32 bits.
_MOST_SINGLE = float(np.finfo(np.float32).max)
# Going through a range of keys takes less than half of going to each.
_DENSE_SHARE = 0.5

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class _Kind:
    """Which values of a column are odd: a condition of SQL, and the test of one value."""

    condition: str
    is_odd: Callable[[Any], bool]


@dataclass(frozen=True)
class SqliteValues:
    """Looks up in a layer what GDAL made of its values.

    Parameters
    ----------
    path : Path
    layer : str
    """

    path: Path
    layer: str

    def mended(self, batch: Any) -> Any:
        """Return features (pyarrow), whose ids come first, as the file has them.

        An empty text in a column of numbers, truth values, days or moments is null; a moment finer
        than a millisecond is cut to it.

        Raises
        ------
        DatasetError
            If a value is not of its column's type; it is named, with the feature and the field.
        """
        ids = np.asarray(batch.column(0)).astype(np.int64)
        if not len(ids):
            return batch
        with closing(self._open()) as database:
            try:
                found = [*self._misread(database, batch, ids), *self._days(database, batch, ids)]
            except sqlite3.Error as error:
                raise self._unreadable(error) from error
        rows: dict[str, dict[int, datetime | None]] = {}
        for key, name, value in found:
            meant = None if value == "" else _cut_moment(value)
            if value != "" and meant is None:
                raise self._refused(key, name, value)
            rows.setdefault(name, {})[key] = meant
        return _with_values(batch, ids, rows)

    def _misread(
        self, database: sqlite3.Connection, batch: Any, ids: Array
    ) -> Iterator[tuple[int, str, Any]]:
        kinds = {
            name: kind
            for name in batch.schema.names
            if name in self._columns and (kind := _kind_of(batch.schema.field(name).type, name))
        }
        if not kinds:
            return
        conditions = " OR ".join(kind.condition for kind in kinds.values())
        wanted = set(ids.tolist())
        for key, *values in self._rows(database, [*kinds], ids, conditions):
            for (name, kind), value in zip(kinds.items(), values, strict=True):
                if key in wanted and value is not None and kind.is_odd(value):
                    yield key, name, value

    def _days(
        self, database: sqlite3.Connection, batch: Any, ids: Array
    ) -> Iterator[tuple[int, str, Any]]:
        for name in batch.schema.names:
            type_ = batch.schema.field(name).type
            pattern = _pattern_of(type_)
            if name not in self._columns or pattern is None:
                continue
            firsts = _FIRST_DAY if pa.types.is_date(type_) else _FIRST_MOMENTS
            found = pc.is_in(batch.column(name), pa.array(firsts, type_))
            suspects = ids[np.asarray(found)]
            if not len(suspects):
                continue
            for key, value in self._rows(database, [name], suspects, "1"):
                if value is not None and not pattern.fullmatch(str(value)):
                    yield key, name, value

    def _rows(
        self, database: sqlite3.Connection, names: list[str], ids: Array, condition: str
    ) -> sqlite3.Cursor:
        key, columns = _quoted(self._key), ", ".join(map(_quoted, names))
        low, high = int(ids.min()), int(ids.max())
        query = f"SELECT {key}, {columns} FROM {_quoted(self.layer)} WHERE ({condition}) AND {key}"
        if condition != "1" and len(ids) > _DENSE_SHARE * (high - low + 1):
            return database.execute(f"{query} BETWEEN ? AND ?", [low, high])
        keys = ",".join(map(str, ids.tolist()))
        return database.execute(f"{query} IN (SELECT value FROM json_each(?))", [f"[{keys}]"])

    @cached_property
    def _columns(self) -> dict[str, bool]:
        """The columns by their names, and whether each is the key."""
        try:
            with closing(self._open()) as database:
                found = database.execute(
                    "SELECT name, pk FROM pragma_table_xinfo(?)", [self.layer]
                ).fetchall()
                kind = database.execute(
                    "SELECT type FROM sqlite_master WHERE name = ?", [self.layer]
                ).fetchall()
        except sqlite3.Error as error:
            raise self._unreadable(error) from error
        # Of a view nobody knows which row is which feature.
        return {name: bool(pk) for name, pk in found} if kind == [("table",)] else {}

    @property
    def _key(self) -> str:
        keys = [name for name, is_key in self._columns.items() if is_key]
        return keys[0] if len(keys) == 1 else "rowid"

    def _open(self) -> sqlite3.Connection:
        try:
            database = open_unwritten(self.path)
        except sqlite3.Error as error:
            raise self._unreadable(error) from error
        # What is in no encoding is told of when texts are looked at.
        database.text_factory = lambda text: text.decode(errors="replace")
        return database

    def _unreadable(self, error: Exception) -> DatasetError:
        return DatasetError(
            say("{name} cannot be read as a database: {error}", name=self.path.name, error=error),
            field="source",
            value=self.path.name,
        )

    def _refused(self, key: int, name: str, value: Any) -> DatasetError:
        return DatasetError(
            say(
                "feature {key} of layer '{layer}' of {file} has {value} in field '{field}', "
                "which would be read as another value",
                key=str(key),
                layer=quote(self.layer),
                file=self.path.name,
                value=quote(repr(value)[:_MOST_LETTERS]),
                field=quote(name),
            ),
            field="source",
            value=self.path.name,
            hint=say("Mend the value, or give the field a type that holds it."),
        )


def _pattern_of(type_: Any) -> re.Pattern[str] | None:
    if pa.types.is_date(type_):
        return _DAYS
    return _MOMENTS if pa.types.is_timestamp(type_) else None


def _kind_of(type_: Any, name: str) -> _Kind | None:
    column = _quoted(name)
    if pa.types.is_boolean(type_):
        return _Kind(f"{column} > {2**63 - 1}", lambda value: isinstance(value, str | bytes))
    if pa.types.is_integer(type_):
        last = 2 ** (type_.bit_width - 1) - 1
        return _Kind(
            # Texts and blobs come after all numbers.
            f"{column} > {last} OR {column} < {-last - 1} OR {column} <> CAST({column} AS INTEGER)",
            lambda value: type(value) is not int or not -last - 1 <= value <= last,
        )
    if pa.types.is_floating(type_):
        last = _MOST_SINGLE if type_.bit_width == 32 else sys.float_info.max
        return _Kind(
            f"{column} > {last!r} OR {column} < {-last!r}",
            lambda value: isinstance(value, str | bytes) or last < abs(value) < math.inf,
        )
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        return _Kind(f"instr({column}, char(0))", _has_nul)
    if pa.types.is_date(type_):
        condition = f"{condition_of(column)} OR length({column}) > {len('2026-01-31')}"
        return _Kind(condition, lambda value: is_impossible(str(value)) or _has_time(str(value)))
    if pa.types.is_timestamp(type_):
        condition = f"{condition_of(column)} OR instr({column}, '.999') > 0"
        return _Kind(condition, lambda value: is_impossible(str(value)) or _is_cut(str(value)))
    return None


def _has_time(text: str) -> bool:
    found = _TIME.search(text)
    return found is not None and _MIDNIGHT.fullmatch(found[1]) is None


def _is_cut(text: str) -> bool:
    return _FINE.search(text) is not None


def _cut_moment(value: Any) -> datetime | None:
    """Return a moment cut to the millisecond, where GDAL would leave out all of the fraction."""
    if not isinstance(value, str) or not _is_cut(value) or is_impossible(value):
        return None
    try:
        moment = datetime.fromisoformat(value.replace("/", "-"))
    except ValueError:
        return None
    moment = moment.replace(microsecond=moment.microsecond // 1_000 * 1_000)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _has_nul(value: Any) -> bool:
    return isinstance(value, str) and "\0" in value


def _with_values(batch: Any, ids: Array, rows: dict[str, dict[int, datetime | None]]) -> Any:
    for name, values in rows.items():
        at = batch.schema.get_field_index(name)
        are_odd = np.isin(ids, list(values))
        column = batch.column(at)
        meant = pa.array([values[key] for key in ids[are_odd].tolist()], column.type)
        column = pc.replace_with_mask(column, pa.array(are_odd), meant)
        batch = batch.set_column(at, batch.schema.field(at), column)
    return batch
