"""The column that GDAL takes for the ids of features, where it is one of the data's own.

GDAL hands it on as identifiers, so that a column ``reef_id`` of keys would be missing among the
fields. Of a view it takes the first column for that where it is of whole numbers, whatever it is:
a class, a count (3.12; GeoPackage). ``fid`` and ``ogc_fid`` are names that programs give.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyogrio

from marinemap.errors import DatasetError, quote
from marinemap.extraction.geopackage.index import is_given, key_of_table
from marinemap.extraction.geopackage.rtree_nodes import quoted
from marinemap.extraction.reading.layer_names import OPENING_ERRORS, quietly
from marinemap.extraction.sources import source_format_of
from marinemap.extraction.sources.source_files import fingerprint
from marinemap.extraction.sources.sqlite_source import is_database, open_unwritten
from marinemap.sentences import say


def own_key(path: Path, layer: str) -> str | None:
    """Return the column of keys of a layer of a database, where its name is the data's own.

    Raises
    ------
    DatasetError
        If it is a view's and holds what is no whole number.
    """
    if not is_database(path):
        return None
    key = key_of_table(path, layer) or _key_by_gdal(path, layer, fingerprint(path))
    return None if is_given(key) else key


@lru_cache(maxsize=1024)
def _key_by_gdal(path: Path, layer: str, state: str) -> str:
    options = source_format_of(path).options(path)
    try:
        with quietly():
            key = str(pyogrio.read_info(path, layer=layer, **options)["fid_column"])
    except OPENING_ERRORS:
        # What is wrong with it is told as it is read.
        return ""
    if not is_given(key):
        _check_whole_numbers(path, layer, key)
    return key


def _check_whole_numbers(path: Path, layer: str, key: str) -> None:
    """Refuse a column of a view of whose nulls, texts and fractions GDAL makes other numbers."""
    try:
        with closing(open_unwritten(path)) as database:
            found = database.execute(
                f"SELECT {quoted(key)} FROM {quoted(layer)} "
                f"WHERE typeof({quoted(key)}) <> 'integer' LIMIT 1"
            ).fetchall()
    except sqlite3.Error:
        # A view may ask for functions that GDAL alone has.
        return
    for (value,) in found:
        raise _no_id(path, layer, key, value)


def _no_id(path: Path, layer: str, key: str, value: Any) -> DatasetError:
    return DatasetError(
        say(
            "the first column of view '{layer}' of {file}, '{key}', is read as the features' ids, "
            "and it holds {value}, which would be another number",
            layer=quote(layer),
            file=path.name,
            key=quote(key),
            value="NULL" if value is None else quote(repr(value)),
        ),
        field="source",
        value=layer,
        hint=say(
            "Have the view give a key first, such as fid, and '{key}' behind.", key=quote(key)
        ),
    )
