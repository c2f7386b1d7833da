"""CSV as a source; types and CRS stand beside it, if anywhere."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from marinemap.errors import DatasetError
from marinemap.extraction.sources.lines import ends_with_newline
from marinemap.extraction.sources.source import SourceFormat, damaged, with_suffixes
from marinemap.sentences import say

_CHUNK_BYTES = 1 << 20
# A cell of a CSV may be the outline of a coast.
_LONGEST_CELL = 1 << 30


def _check_csv(path: Path) -> None:
    """A CSV has as many cells in each line as in its first, and ends with a line break."""
    csv.field_size_limit(_LONGEST_CELL)
    if not ends_with_newline(path):
        raise DatasetError(
            say("the last line of {name} does not end: it may be cut", name=path.name),
            field="source",
            value=path.name,
            hint=say("Ask for a whole copy; if it is whole, put a line break at its end."),
        )
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            _check_lines(path, csv.reader(_without_nul(path, file), _dialect(path), strict=True))
    except csv.Error as error:
        raise damaged(path, say("is no CSV: {error}", error=error)) from error


def _check_lines(path: Path, lines: Any) -> None:
    cells = len(next(lines, []))
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


def _dialect(path: Path) -> type[csv.Dialect]:
    """Return how the cells are separated, as GDAL's driver settles it: by the first line."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        first = file.readline(_CHUNK_BYTES)
    chosen = max(",;\t|", key=first.count)

    class Dialect(csv.excel):
        delimiter = chosen

    return Dialect


def _without_nul(path: Path, lines: Iterator[str]) -> Iterator[str]:
    """Yield lines; where a disk or a copy lost some, there are zeros, which no text has."""
    for number, line in enumerate(lines, 1):
        if "\0" in line:
            raise damaged(path, say("has zero bytes in line {number:,}", number=number))
        yield line


def _options(path: Path) -> dict[str, str]:
    """Leave the text of a geometry out of the fields: the feature has it, cut and moved.

    Columns of longitudes and latitudes stay, which are data of their own.
    """
    types = path.with_suffix(".csvt")
    told = types.read_text(errors="replace").lower() if types.is_file() else ""
    return {} if "coord" in told or "point" in told else {"KEEP_GEOM_COLUMNS": "NO"}


SOURCE = SourceFormat(
    (".csv",),
    parts=with_suffixes(".csvt", ".prj"),
    check=_check_csv,
    opens_safely=True,
    options=_options,
)
