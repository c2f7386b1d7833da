"""A layer while a page of it is read: opened once, and what all pages need looked up once."""

from __future__ import annotations

import dataclasses
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyproj

from marinemap.errors import UnavailableError
from marinemap.extraction.dataset import Dataset
from marinemap.extraction.geopackage.index import RTree, open_to_read, rtree_in
from marinemap.extraction.geopackage.lent import lender
from marinemap.extraction.geopackage.rows import PlainTable, find_plain_table
from marinemap.extraction.postgis.table import Table
from marinemap.extraction.reading.arrow_batches import geometry_place
from marinemap.extraction.reading.opening import find_own_key, open_layer, rows_within
from marinemap.extraction.remote.address import Remote
from marinemap.extraction.sources.source_files import (
    check_is_file,
    fingerprint,
    one_state,
    real_path,
)
from marinemap.sentences import say

# Layers of which something is known.
_MOST_LAYERS = 64
# How long a writer is waited for.
_BUSY_SECONDS = 1
_MOST_LOOKED_AT = 131_072
_MOST_AT_ONCE = 8_192
_MOST_BYTES = 8 << 20
# How long a page may take of a file on a server.
_REMOTE_SECONDS = 10.0
# A geometry's arcs become lines that run this close to them, in degrees and in metres.
_TOLERANCE_DEGREES, _TOLERANCE_METRES = 1e-7, 0.01
# Which features GDAL is to read, as arguments of pyogrio.
Wanted = Mapping[str, Any]


@dataclass(frozen=True)
class PageSource:
    """A layer of which a page is read.

    Parameters
    ----------
    dataset : Dataset
    mark : str
        Changes with the data, as :func:`~marinemap.extraction.fingerprint` does.
    database : sqlite3.Connection, optional
        The GeoPackage, in one transaction: whatever is read through it is of one moment.
    index : RTree, optional
        Its spatial index.
    own_key : str, optional
        The column of keys, where it has a name of the data's own: then it is a field.
    version : int
        Of its tables: another besides the mark, for times of files are coarse.
    """

    dataset: Dataset
    mark: str
    database: sqlite3.Connection | None = None
    index: RTree | None = None
    own_key: str | None = None
    version: int = 0

    @property
    def plain_table(self) -> PlainTable | None:
        """How its rows can be read without GDAL; None where they cannot."""
        if self.database is None or self.index is None:
            return None
        try:
            return _plain_table(self.dataset, self.mark, self.version, self.index, self.own_key)
        except sqlite3.Error:
            return None

    @property
    def schema(self) -> pa.Schema:
        """The attributes, as GDAL has them.

        Raises
        ------
        DatasetError
            If the layer cannot be read.
        """
        look = _schema.__wrapped__ if self._is_table else _schema
        found: pa.Schema = look(self.dataset, self.mark, self.version, self.own_key)
        return found

    def read_by_gdal(self, wanted: Wanted) -> tuple[str, Any]:
        """Return what GDAL calls the ids of features, and the features (pyarrow.Table).

        Raises
        ------
        DatasetError
            If the layer cannot be read.
        """
        if "fids" not in wanted:
            return _read_by_gdal(self.dataset, wanted, wanted["max_features"])
        keys = wanted["fids"]
        if self.index is not None:
            # pyogrio quotes no name of keys.
            others = {name: value for name, value in wanted.items() if name != "fids"}
            wanted = {**others, "where": self.index.condition_of(keys)}
        return _read_by_gdal(self.dataset, wanted, len(keys))

    @property
    def tolerance(self) -> float:
        """How close lines run to the arcs they are made of, in the units of the coordinates."""
        return _tolerance(self.dataset.crs)

    @property
    def rows_at_once(self) -> int:
        """How many features are read in one step."""
        look = _rows_within.__wrapped__ if self._is_table else _rows_within
        return min(_MOST_AT_ONCE, look(self.dataset, self.mark))

    @property
    def _is_table(self) -> bool:
        # What is held of a server is not to outlast the page.
        return isinstance(self.dataset.path, Table)


@contextmanager
def opened(dataset: Dataset, mark: str | None = None) -> Iterator[PageSource]:
    """Open a layer, a GeoPackage as the database that it is, a table in one state.

    By default the mark is that of a file as it is now.

    Raises
    ------
    DatasetError
        If there is no file, or something else in its place.
    UnavailableError
        If somebody who writes to it lets nobody read.
    """
    with one_state(real_path(dataset.path)) as place:
        if isinstance(place, Remote):
            place = place.until(time.monotonic() + _REMOTE_SECONDS)
        dataset = dataclasses.replace(dataset, path=place)
        if isinstance(place, Table):
            yield PageSource(dataset, mark or "")
            return
        if isinstance(place, Path):
            # A pipe that took its place would be waited for, by a thread of the web server.
            check_is_file(place)
        mark = fingerprint(place) if mark is None else mark
        if isinstance(place, Remote) or place.suffix.lower() != ".gpkg":
            yield PageSource(dataset, mark, own_key=find_own_key(place, dataset.layer))
            return
        with lender.lent(place, mark) as database:
            yield _look_into(database, dataset, mark)


def _look_into(database: sqlite3.Connection, dataset: Dataset, mark: str) -> PageSource:
    try:
        database.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}")
        database.execute("BEGIN")
        (version,) = database.execute("PRAGMA schema_version").fetchone()
        index, key = _layout(dataset, mark, version)
    except sqlite3.Error as error:
        if error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise UnavailableError(
                say("{title} is being written to", title=dataset.title),
                hint=say("Ask again in a moment."),
            ) from error
        # GDAL says better than SQLite what is wrong with a file.
        return PageSource(dataset, mark)
    return PageSource(dataset, mark, database, index, key, version)


def attributes_of(table: Any, id_name: str, own_key: str | None) -> Any:
    """Return the columns of a table (pyarrow) that are fields of the layer."""
    # A column of keys that has a name of the data's own is a field as well.
    dropped = [] if id_name == own_key else [id_name]
    return table.drop_columns([table.schema.names[geometry_place(table.schema)], *dropped])


def _read_by_gdal(dataset: Dataset, wanted: Wanted, count: int) -> tuple[str, Any]:
    # By default GDAL makes room for 65,536 rows, which takes longer than a page of a hundred.
    rows = min(max(1, count), _MOST_LOOKED_AT)
    return open_layer(dataset).table_by_ids({"batch_size": rows, **wanted})


@lru_cache(_MOST_LAYERS)
def _schema(dataset: Dataset, mark: str, version: int, own_key: str | None) -> pa.Schema:
    id_name, table = _read_by_gdal(dataset, {"skip_features": 0, "max_features": 1}, 1)
    return attributes_of(table, id_name, own_key).schema


@lru_cache(_MOST_LAYERS)
def _layout(dataset: Dataset, mark: str, version: int) -> tuple[RTree | None, str | None]:
    with closing(open_to_read(dataset.file)) as database:
        index = rtree_in(database, dataset.file, dataset.layer)
    return index, find_own_key(dataset.path, dataset.layer)


@lru_cache(_MOST_LAYERS)
def _plain_table(
    dataset: Dataset, mark: str, version: int, index: RTree, key: str | None
) -> PlainTable | None:
    with closing(open_to_read(dataset.file)) as database:
        return find_plain_table(
            database, dataset.layer, index, _schema(dataset, mark, version, key)
        )


@lru_cache(_MOST_LAYERS)
def _rows_within(dataset: Dataset, mark: str) -> int:
    return rows_within(dataset, _MOST_BYTES)


@lru_cache(_MOST_LAYERS)
def _tolerance(crs: str) -> float:
    is_geographic = pyproj.CRS.from_user_input(crs).is_geographic
    return _TOLERANCE_DEGREES if is_geographic else _TOLERANCE_METRES
