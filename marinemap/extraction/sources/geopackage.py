"""GeoPackages as sources: SQLite, and moments that are all in UTC (OGC 12-128r19, table 1)."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Collection
from contextlib import closing
from pathlib import Path

from marinemap.errors import quote
from marinemap.extraction.sources import sqlite
from marinemap.extraction.sources.source import some_of
from marinemap.extraction.sources.sqlite_source import open_unwritten
from marinemap.sentences import say


def _unread(path: Path, layer: str, read: Collection[str]) -> str:
    """Tell of columns that GDAL passes over, for their types are none of the standard's (3.12)."""
    # To SQLite and GDAL `Geom` and `GEOM` are one name.
    known = {name.lower() for name in read}
    missing = [(name, type_) for name, type_ in _columns(path, layer) if name.lower() not in known]
    if not missing:
        return ""
    return say(
        "Columns of {file} whose types are none of a GeoPackage's are not read: {names}. Types "
        "such as TEXT, INTEGER and DOUBLE are.",
        file=path.name,
        names=some_of([f"'{quote(name)}' ({quote(type_)})" for name, type_ in missing]),
    )


def _columns(path: Path, layer: str) -> list[tuple[str, str]]:
    """Return the columns of a layer, with their types as they are stated."""
    try:
        with closing(open_unwritten(path)) as database:
            return database.execute(
                "SELECT name, type FROM pragma_table_xinfo(?)", [layer]
            ).fetchall()
    except (sqlite3.Error, UnicodeDecodeError):
        # What is wrong with it is told as it is read.
        return []


SOURCE = dataclasses.replace(sqlite.SOURCE, suffixes=(".gpkg",), has_one_zone=True, unread=_unread)
