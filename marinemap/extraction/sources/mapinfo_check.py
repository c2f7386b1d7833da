"""Whether a MapInfo table is whole: GDAL ends where it is damaged, without a word."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError

from marinemap.extraction.sources.mapped import mapped
from marinemap.extraction.sources.mif_values import check_row, typed_columns
from marinemap.extraction.sources.source import damaged, state_of, with_suffixes
from marinemap.extraction.sources.table_check import lengths_of
from marinemap.extraction.sources.typed_texts import Column
from marinemap.sentences import say

_ID_BYTES = 4
_DELETED = ord("*")
_REMEMBERED = 256
# MapInfo Data Interchange Format: each object begins a line with its kind; the parts of a
# collection follow it, and are none of their own.
_OBJECT = re.compile(
    rb"^[ \t]*(none|point|line|pline|region|arc|text|rect|roundrect|ellipse|multipoint|"
    rb"collection)\b[ \t]*(\d*)",
    re.IGNORECASE,
)
_DATA = re.compile(rb"^[ \t]*data[ \t]*$", re.IGNORECASE)
_DELIMITER = re.compile(rb'^[ \t]*delimiter[ \t]+"(.)"', re.IGNORECASE)
_COLUMNS = re.compile(rb"^[ \t]*columns[ \t]+(\d{1,4})[ \t]*$", re.IGNORECASE)
_LONGEST_CELL = 1 << 30


def check_tab(path: Path) -> None:
    """Compare the rows of a table with its index of objects, and with what GDAL gives.

    Raises
    ------
    DatasetError
        If one is cut or damaged.
    """
    beside = {part.suffix.lower(): part for part in with_suffixes(".dat", ".id", ".map")(path)}
    table, ids = beside.get(".dat"), beside.get(".id")
    # One that is linked to another program's table has none.
    if table is None or ids is None:
        return
    rows = _check_lengths(table, ids)
    given = _given(path, state_of(*beside.values()))
    if given != rows:
        raise damaged(
            path, say("gives {given:,} features of {rows:,} rows", given=given, rows=rows)
        )


def check_mif(path: Path) -> None:
    """Compare the objects of a .mif with the rows of its .mid, and these with its columns.

    Raises
    ------
    DatasetError
        If there are more rows: the .mif is cut; or if a value is none of its column's type.
    """
    beside = {part.suffix.lower(): part for part in with_suffixes(".mid")(path)}
    if ".mid" in beside:
        mid = beside[".mid"]
        _compare(path, mid, state_of(path, mid))


@lru_cache(_REMEMBERED)
def _compare(path: Path, mid: Path, state: object) -> None:
    """Go through both files, once for each state of them."""
    objects, delimiter, columns = _objects(path)
    rows = 0
    for line, row in _rows(mid, delimiter):
        check_row(mid, line, row, columns)
        rows += 1
    if rows > objects:
        raise damaged(
            path,
            say(
                "has {objects:,} objects for {rows:,} rows of its .mid", objects=objects, rows=rows
            ),
        )


def count_mif(path: Path) -> int:
    """Return how many features a .mif holds; GDAL counts the parts of collections as well."""
    return _objects(path)[0]


def _check_lengths(table: Path, ids: Path) -> int:
    """Return how many rows of a table are not deleted."""
    count, header, row = lengths_of(table)
    with mapped(table) as file:
        assert file is not None  # Of a table that has a header.
        flags = np.array(file.array[header : header + count * row : row])
    objects = ids.stat().st_size // _ID_BYTES
    if objects != count:
        raise damaged(
            ids, say("has {objects:,} objects for {rows:,} rows", objects=objects, rows=count)
        )
    return int((flags != _DELETED).sum())


@lru_cache(_REMEMBERED)
def _given(path: Path, state: object) -> int:
    """Return how many features GDAL gives; it goes through all, once for each state of the file."""
    try:
        return int(pyogrio.read_info(path, force_feature_count=True)["features"])
    except (DataSourceError, DataLayerError):
        return 0


def _objects(path: Path) -> tuple[int, str, list[Column]]:
    """Return how many objects a .mif has, what parts the cells of its .mid, and its columns."""
    count, parts, delimiter, is_data = 0, 0, "\t", False
    columns: list[bytes] = []
    with path.open("rb") as file:
        for line in file:
            if not is_data:
                is_data = _DATA.match(line) is not None
                if stated := _DELIMITER.match(line):
                    delimiter = stated[1].decode("latin-1")
                elif stated := _COLUMNS.match(line):
                    columns = [file.readline() for _ in range(int(stated[1]))]
            elif found := _OBJECT.match(line):
                if parts:
                    parts -= 1
                    continue
                count += 1
                parts = int(found[2] or 0) if found[1].lower() == b"collection" else 0
    return count, delimiter, typed_columns(columns)


def _rows(mid: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of the line where a row ends, and its cells."""
    csv.field_size_limit(_LONGEST_CELL)
    with mid.open(encoding="latin-1", newline="") as file:
        rows = csv.reader(file, delimiter=delimiter)
        yield from ((rows.line_num, row) for row in rows if row)
