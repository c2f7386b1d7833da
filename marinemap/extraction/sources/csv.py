"""CSV as a source; types and CRS stand beside it, if anywhere."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from marinemap.errors import DatasetError, quote
from marinemap.extraction.sources.csv_columns import (
    LONGEST_CELL,
    CsvColumns,
    find_columns,
    separator_in,
)
from marinemap.extraction.sources.csv_srid import check_srid, epsg_of
from marinemap.extraction.sources.lines import ends_with_newline
from marinemap.extraction.sources.source import (
    PointColumns,
    SourceFormat,
    damaged,
    with_suffixes,
)
from marinemap.extraction.sources.typed_texts import Column
from marinemap.sentences import say

_CHUNK_BYTES = 1 << 20
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
# Excel's own way to say what separates cells; to all others it is the names of the columns.
_SEPARATOR_LINE = re.compile(rb'(?:\xef\xbb\xbf)?("?sep=.)"?[\r\n]', re.IGNORECASE)
_TABLE_HINT = say(
    "Name its columns of positions lon and lat (degrees), or x and y (with the CRS in a .prj "
    "beside it, such as EPSG:3035), or its column of well-known texts WKT; or state them in a "
    ".csvt beside it."
)


def _look(path: Path) -> None:
    """Refuse a beginning that is in another encoding, of which GDAL makes other columns."""
    with path.open("rb") as file:
        line = file.readline(_CHUNK_BYTES)
    if found := _SEPARATOR_LINE.match(line):
        raise _with_separator_line(path, found[1].decode())
    if line.startswith(_UTF_16) or not _is_utf_8(line):
        raise _in_other_letters(path, 1, line)


def _check_csv(path: Path) -> None:
    """A CSV has as many cells in each line as in its first, and ends with a line break."""
    csv.field_size_limit(LONGEST_CELL)
    if not ends_with_newline(path):
        raise DatasetError(
            say("the last line of {name} does not end: it may be cut", name=path.name),
            field="source",
            value=path.name,
            hint=say("Ask for a whole copy; if it is whole, put a line break at its end."),
        )
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(_without_nul(path, file), _dialect(path), strict=True)
            try:
                _check_lines(path, lines, find_columns(path))
            except csv.Error as error:
                what = say("is no CSV in line {line:,}: {error}", line=lines.line_num, error=error)
                raise damaged(path, what) from error
    except UnicodeDecodeError as error:
        raise _in_other_letters(path, *_first_odd_line(path)) from error


def _check_lines(path: Path, lines: Any, columns: CsvColumns) -> None:
    cells = len(next(lines, []))
    srid = None if columns.texts is None else epsg_of(path)
    for line in lines:
        if line and len(line) != cells:
            raise damaged(
                path,
                say(
                    "has {count} cells in line {line:,} and {cells} in its first",
                    count=len(line),
                    line=lines.line_num,
                    cells=cells,
                ),
            )
        if not line:
            continue
        if columns.texts is not None:
            check_srid(path, lines.line_num, line[columns.texts], srid)
        _check_types(path, lines.line_num, line, columns.types)


def _check_types(path: Path, number: int, line: list[str], columns: tuple[Column, ...]) -> None:
    odd = next((c for c in columns if line[c.at].strip() and not c.is_sound(line[c.at])), None)
    if odd is not None:
        raise DatasetError(
            say(
                "line {number:,} of {name} has '{value}' in column '{column}', which is no "
                "{type}, as the .csvt beside it says",
                number=number,
                name=path.name,
                value=quote(line[odd.at]),
                column=quote(odd.name),
                type=odd.type_name,
            ),
            field="source",
            value=odd.name,
            hint=say("Mend the value, or write String in that place of the .csvt."),
        )


def _with_separator_line(path: Path, line: str) -> DatasetError:
    return DatasetError(
        say(
            "the first line of {name} is '{line}', which only Excel knows; it should name "
            "the columns",
            name=path.name,
            line=quote(line.strip('"')),
        ),
        field="source",
        value=path.name,
        hint=say("Take that line out."),
    )


def _dialect(path: Path) -> type[csv.Dialect]:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        first = file.readline(_CHUNK_BYTES)

    class Dialect(csv.excel):
        delimiter = separator_in(first)

    return Dialect


def _without_nul(path: Path, lines: Iterator[str]) -> Iterator[str]:
    """Yield lines; where a disk or a copy lost some, there are zeros, which no text has."""
    for number, line in enumerate(lines, 1):
        if "\0" in line:
            raise damaged(path, say("has zero bytes in line {number:,}", number=number))
        yield line


def _first_odd_line(path: Path) -> tuple[int, bytes]:
    with path.open("rb") as file:
        return next((n, line) for n, line in enumerate(file, 1) if not _is_utf_8(line))


def _is_utf_8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError as error:
        # A line that was cut for its length may end within a letter.
        return len(line) == _CHUNK_BYTES and error.end == len(line)
    return True


def _in_other_letters(path: Path, number: int, line: bytes) -> DatasetError:
    encoding = "UTF-16" if line.startswith(_UTF_16) else "WINDOWS-1252"
    shown = line.decode("utf-16" if encoding == "UTF-16" else "latin-1", errors="replace")
    return DatasetError(
        say(
            "line {number:,} of {name} is not in UTF-8: '{shown}'",
            number=number,
            name=path.name,
            shown=quote(shown.strip()[:80]),
        ),
        field="source",
        value=path.name,
        hint=say(
            "Save it as UTF-8, for instance by iconv -f {encoding} -t UTF-8 if that is its "
            "encoding.",
            encoding=encoding,
        ),
    )


def _options(path: Path) -> Mapping[str, str]:
    return find_columns(path).options


def _points(path: Path) -> PointColumns | None:
    return find_columns(path).points


SOURCE = SourceFormat(
    (".csv", ".tsv"),
    parts=with_suffixes(".csvt", ".prj"),
    look=_look,
    check=_check_csv,
    opens_safely=True,
    options=_options,
    points=_points,
    table_hint=_TABLE_HINT,
)
