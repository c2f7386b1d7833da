"""Whether the cells of a .mid are of the types that its .mif states.

Of those that are not GDAL makes 0, null, the largest number that there is, or another day (3.12).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from marinemap.errors import DatasetError, quote
from marinemap.sentences import say

# MapInfo Data Interchange Format: the columns of a table, a line each.
_COLUMN = re.compile(rb"^[ \t]*(\S+)[ \t]+([A-Za-z]+)")
_WHOLE = re.compile(r"([+-]?\d{1,400})(\.0*)?")
_REAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?|nan", re.IGNORECASE)
_DAY = re.compile(r"(\d{4})(\d\d)(\d\d)")
_TIME = re.compile(r"([01]\d|2[0-3])[0-5]\d[0-6]\d{4}")
_TRUTH = {"t", "f", "y", "n", "1", "0", "true", "false", "yes", "no"}
# GDAL holds a smallint in 32 bits as well.
_BITS = {"smallint": 32, "integer": 32, "largeint": 64}


@dataclass(frozen=True)
class MifColumn:
    """A column whose cells have to be of a type."""

    at: int
    name: str
    type_name: str
    is_sound: Callable[[str], bool]


def typed_columns(lines: Sequence[bytes]) -> list[MifColumn]:
    """Return the columns of which not every text is a value, from their lines in a .mif."""
    found = []
    for at, line in enumerate(lines):
        if told := _COLUMN.match(line):
            type_name = told[2].decode().lower()
            if test := _test_of(type_name):
                found.append(MifColumn(at, told[1].decode("latin-1"), type_name, test))
    return found


def check_row(path: Path, line: int, row: Sequence[str], columns: Iterable[MifColumn]) -> None:
    """Refuse a row with a value that is none of its column's type.

    Raises
    ------
    DatasetError
        With the line, the column and the value.
    """
    for column in columns:
        text = row[column.at] if column.at < len(row) else ""
        if not column.is_sound(text) and text.strip():
            raise DatasetError(
                say(
                    "line {line:,} of {file} has '{value}' in '{name}', which is no {type}",
                    line=line,
                    file=path.name,
                    value=quote(text),
                    name=quote(column.name),
                    type=column.type_name,
                ),
                field="source",
                value=column.name,
                hint=say("Mend the value, or take it out; a column of the type Char has any text."),
            )


def _test_of(type_name: str) -> Callable[[str], bool] | None:
    if type_name in _BITS:
        most = 2 ** (_BITS[type_name] - 1)
        return lambda text: _is_whole(text.strip(), most)
    return _TESTS.get(type_name)


def _is_whole(text: str, most: int) -> bool:
    found = _WHOLE.fullmatch(text)
    return found is not None and -most <= int(found[1]) < most


def _is_real(text: str) -> bool:
    text = text.strip()
    if not _REAL.fullmatch(text):
        return False
    return text[-1] not in "0123456789." or math.isfinite(float(text))


def _is_day(text: str) -> bool:
    found = _DAY.fullmatch(text)
    if found is None:
        return False
    try:
        date(*map(int, found.groups()))
    except ValueError:
        return False
    return True


def _is_moment(text: str) -> bool:
    return _is_day(text[:8]) and _is_time(text[8:])


def _is_time(text: str) -> bool:
    return _TIME.fullmatch(text) is not None


_TESTS: dict[str, Callable[[str], bool]] = {
    "float": _is_real,
    "decimal": _is_real,
    "logical": lambda text: text.lower() in _TRUTH,
    "date": _is_day,
    "datetime": _is_moment,
    "time": _is_time,
}
