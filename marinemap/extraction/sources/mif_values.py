"""Whether the cells of a .mid are of the types that its .mif states.

Of those that are not GDAL makes 0, null, the largest number that there is, or another day (3.12).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from marinemap.extraction.sources.source import of_other_type
from marinemap.extraction.sources.typed_texts import Column, is_date, is_real, is_whole
from marinemap.sentences import say

# MapInfo Data Interchange Format: the columns of a table, a line each.
_COLUMN = re.compile(rb"^[ \t]*(\S+)[ \t]+([A-Za-z]+)")
_DAY = re.compile(r"(\d{4})(\d\d)(\d\d)")
_TIME = re.compile(r"([01]\d|2[0-3])[0-5]\d[0-6]\d{4}")
_TRUTH = {"t", "f", "y", "n", "1", "0", "true", "false", "yes", "no"}
# GDAL holds a smallint in 32 bits as well.
_BITS = {"smallint": 32, "integer": 32, "largeint": 64}


def typed_columns(lines: Sequence[bytes]) -> list[Column]:
    """Return the columns of which not every text is a value, from their lines in a .mif."""
    found = []
    for at, line in enumerate(lines):
        if told := _COLUMN.match(line):
            type_name = told[2].decode().lower()
            if test := _test_of(type_name):
                found.append(Column(at, told[1].decode("latin-1"), type_name, test))
    return found


def check_row(path: Path, line: int, row: Sequence[str], columns: Iterable[Column]) -> None:
    """Refuse a row with a value that is none of its column's type.

    Raises
    ------
    DatasetError
        With the line, the column and the value.
    """
    for column in columns:
        text = row[column.at] if column.at < len(row) else ""
        if not column.is_sound(text) and text.strip():
            hint = say("Mend the value, or take it out; a column of the type Char has any text.")
            raise of_other_type(path, line, column.name, text, column.type_name, hint)


def _test_of(type_name: str) -> Callable[[str], bool] | None:
    if type_name in _BITS:
        return lambda text: is_whole(text.strip(), _BITS[type_name])
    return _TESTS.get(type_name)


def _is_real(text: str) -> bool:
    return is_real(text.strip())


def _is_day(text: str) -> bool:
    found = _DAY.fullmatch(text)
    return found is not None and is_date(found.groups())


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
