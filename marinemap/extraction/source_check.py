"""Whether a source is whole, where its format can show it and GDAL reads what is left."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.parsers import expat

from marinemap.errors import DatasetError, quote
from marinemap.extraction.flatgeobuf_check import feature_places

_CHUNK_BYTES = 1 << 20
# A cell of a CSV may be the outline of a coast.
_LONGEST_CELL = 1 << 30


def check_whole(path: Path) -> None:
    """Refuse a source that is cut off or damaged, as far as its format can show it.

    Reads the file once, at the speed of the disk or of a parser in C. A GeoPackage is looked
    after by its database.

    Raises
    ------
    DatasetError
        Naming what is wrong, and where.
    """
    check = _CHECKS.get(path.suffix.lower())
    if check is not None:
        check(path)


def _check_xml(path: Path) -> None:
    """GDAL's readers of GML and GPX end at what is not well-formed, without a word."""
    parser = expat.ParserCreate()
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    except expat.ExpatError as error:
        raise _damaged(path, f"is not well-formed XML: {error}") from error


def _check_csv(path: Path) -> None:
    """A CSV has as many cells in each line as in its first, and ends with a line break."""
    csv.field_size_limit(_LONGEST_CELL)
    if not _ends_with_newline(path):
        raise DatasetError(
            f"the last line of {path.name} does not end: it may be cut",
            field="source",
            value=path.name,
            hint="Ask for a whole copy; if it is whole, put a line break at its end.",
        )
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            _check_lines(path, csv.reader(_without_nul(file), _dialect(path), strict=True))
    except csv.Error as error:
        raise _damaged(path, f"is no CSV: {error}") from error


def _check_lines(path: Path, lines: Any) -> None:
    cells = len(next(lines, []))
    for line in lines:
        if line and len(line) != cells:
            raise _damaged(
                path, f"has {len(line)} cells in line {lines.line_num:,} and {cells} in its first"
            )


def _dialect(path: Path) -> type[csv.Dialect]:
    """Return how the cells are separated, as GDAL's driver settles it: by the first line."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        first = file.readline(_CHUNK_BYTES)
    chosen = max(",;\t|", key=first.count)

    class Dialect(csv.excel):
        delimiter = chosen

    return Dialect


def _without_nul(lines: Iterator[str]) -> Iterator[str]:
    return (line.replace("\0", "\N{REPLACEMENT CHARACTER}") for line in lines)


def _check_json_lines(path: Path) -> None:
    """GDAL passes over a line that is no JSON; each ends with a brace and a line break."""
    if not _ends_with_newline(path):
        raise _damaged(path, "does not end with a line break")
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            plain = line.strip(b" \t\r\n\x1e")
            if plain and not (plain.startswith(b"{") and plain.endswith(b"}")):
                shown = quote(plain[-40:].decode(errors="replace"))
                raise _damaged(path, f"has no JSON object in line {number:,}: it ends '{shown}'")


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) in (b"\n", b"\r")


def _damaged(path: Path, what: str) -> DatasetError:
    return DatasetError(
        f"{path.name} {what}: it is cut or damaged; ask for a whole copy",
        field="source",
        value=path.name,
    )


_CHECKS: dict[str, Callable[[Path], object]] = {
    ".fgb": feature_places,
    ".gml": _check_xml,
    ".xml": _check_xml,
    ".gpx": _check_xml,
    ".kml": _check_xml,
    ".csv": _check_csv,
    ".geojsonl": _check_json_lines,
    ".geojsons": _check_json_lines,
}
