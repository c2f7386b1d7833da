"""The R-tree of a GeoPackage, asked directly: what lies near an area, in the file's own order."""

from __future__ import annotations

import itertools
import math
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from marinemap.errors import DatasetError
from marinemap.extraction.geopackage.rtree_nodes import (
    Box,
    KeySet,
    Near,
    box_of_all,
    find_few_keys,
    find_keys,
    quoted,
)
from marinemap.sentences import say

# Features asked for at once: SQLite makes an index of their keys. The first are few, so that work
# on them begins while others are read.
_FIRST_KEYS, _KEYS = 8_192, 32_768
# Going through all features between two keys takes per feature two fifths of the time that going
# to each by its key takes.
_DENSE_SHARE = 0.5
# So many keys are told by SQLite; of more the nodes are read as arrays, which takes two thirds.
_MOST_AS_TEXT = 10_000
# SQLite rounds the sides of a box outward by some 1e-7 of their size.
_ROUNDED_SHARE = 1e-6
_KEY_TYPES = ("INTEGER", "INT", "MEDIUMINT", "SMALLINT", "TINYINT")

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class RTree:
    """The spatial index of one layer (GeoPackage 1.3, annex F.3)."""

    path: Path
    table: str
    key: str
    geometry: str

    def narrowed(self, trees: Sequence[Any]) -> RTree:
        """Return itself: what filters leave out of a file is seen as it is read."""
        return self

    def condition(self, boxes: Sequence[Box], most: int | None = None) -> str:
        """Return an attribute filter for the features whose box touches one of the boxes.

        With ``most`` only so many of them, whichever the index finds first.

        It holds only the names found in the file and our own numbers. The features come in
        rising order of their key, which reads the table from front to back: over a large area
        half the time of the index's own order.
        """
        ids = self._ids(boxes)
        if most is None:
            return f"{quoted(self.key)} IN ({ids} ORDER BY id)"
        # A feature that touches several boxes would use the limit up.
        return f"{quoted(self.key)} IN (SELECT DISTINCT id FROM ({ids}) LIMIT {int(most)})"

    def keys_near(self, near: Near) -> KeySet | None:
        """Return the keys of the features whose box may hold what is wanted.

        None where keys lie far apart.

        Raises
        ------
        ValueError, sqlite3.Error
            If the index is damaged.
        """
        with closing(open_to_read(self.path)) as database:
            return find_keys(database, self.table, near)

    def keys_in(self, database: sqlite3.Connection, box: Box) -> Array:
        """Return the keys of the features whose box touches another, rising.

        Parameters
        ----------
        database : sqlite3.Connection
            To the same file.
        box : (minx, miny, maxx, maxy)

        Raises
        ------
        DatasetError
            If the index is damaged.
        """
        minx, miny, maxx, maxy = box
        touching = (
            f"SELECT id FROM {quoted(self.table)} "
            "WHERE maxx >= ? AND minx <= ? AND maxy >= ? AND miny <= ?"
        )
        # As one text: a row for each key takes as long again, and a turn at the interpreter's
        # lock with each.
        query = f"SELECT count(*), group_concat(id) FROM ({touching} LIMIT {_MOST_AS_TEXT + 1})"
        with self._told():
            count, text = database.execute(query, [minx, maxx, miny, maxy]).fetchone()
            if count > _MOST_AS_TEXT:
                return find_few_keys(database, self.table, touches(box))
        return np.sort(np.fromstring(text or "", np.int64, sep=","))

    def conditions(self, keys: KeySet, first: int = 0, end: int | None = None) -> Iterator[str]:
        """Yield attribute filters that together let these features through, in rising order.

        Where most of a range is wanted, all of it passes. With ``first`` and ``end`` only these.
        """
        for block in itertools.islice(keys.blocks(_FIRST_KEYS, _KEYS), first, end):
            lowest, highest = int(block[0]), int(block[-1])
            if len(block) > _DENSE_SHARE * (highest - lowest + 1):
                yield self._condition_between(lowest, highest)
            else:
                yield self.condition_of(block.tolist())

    def count_conditions(self, keys: KeySet) -> int:
        """Return how many filters that are."""
        count = len(keys)
        return min(count, 1) + math.ceil(max(0, count - _FIRST_KEYS) / _KEYS)

    def _condition_between(self, first: int, last: int) -> str:
        """Return an attribute filter for features in a range of keys that have a geometry.

        And for those that the index says have one: that it is missing is to be seen.
        """
        key, geometry = quoted(self.key), quoted(self.geometry)
        listed = f"{key} IN (SELECT rowid FROM {quoted(f'{self.table}_rowid')})"
        return f"{key} BETWEEN {first} AND {last} AND ({geometry} IS NOT NULL OR {listed})"

    def condition_of(self, keys: Sequence[int]) -> str:
        """Return an attribute filter for the features of these keys."""
        return f"{quoted(self.key)} IN ({', '.join(str(int(key)) for key in keys)})"

    def count(self, boxes: Sequence[Box]) -> int:
        """Return about how many features the condition lets through, never too few.

        A feature that touches two boxes is counted twice; telling them apart would take as
        long as reading them.
        """
        with self._asked() as database:
            (count,) = database.execute(f"SELECT count(*) FROM ({self._ids(boxes)})").fetchone()
        return int(count)

    def expect(self, boxes: Sequence[Box], bounds: Box | None, features: int) -> int:
        """Return how many features the condition lets through: the file says it at once."""
        return self.count(boxes)

    def size(self) -> int:
        """Return how many features the index holds: those without a position are not in it."""
        # SQLite keeps a row for each entry of an R-tree beside it; counting there is cheap.
        rows = quoted(f"{self.table}_rowid")
        with self._asked() as database:
            (count,) = database.execute(f"SELECT count(*) FROM {rows}").fetchone()
        return int(count)

    def boxes(self, boxes: Sequence[Box], every: int = 1) -> tuple[Any, Any]:
        """Return the keys of features and the boxes (minx, miny, maxx, maxy) that the index keeps.

        The boxes, of shape (features, 4), are 32-bit numbers, rounded outward. With ``every``
        above one only every so many features count.
        """
        some = f"id % {int(every)} = 0"
        queries = [
            f"{self._rows_in(box, 'id, minx, miny, maxx, maxy')} AND {some}" for box in boxes
        ]
        with self._asked() as database:
            rows = database.execute(" UNION ALL ".join(queries)).fetchall()
        found = np.array(rows, dtype=float).reshape(-1, 5)
        # A feature may touch several of the boxes.
        once = found[np.unique(found[:, 0], return_index=True)[1]]
        return once[:, 0].astype(np.int64), once[:, 1:]

    @contextmanager
    def _asked(self) -> Iterator[sqlite3.Connection]:
        """Open the file; what goes wrong with it is its own fault, as when it has just gone."""
        with self._told(), closing(open_to_read(self.path)) as database:
            yield database

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say of what goes wrong that it is the file's fault."""
        try:
            yield
        except (sqlite3.Error, ValueError) as error:
            raise DatasetError(
                say(
                    "the spatial index of {name} cannot be read: {error}",
                    name=self.path.name,
                    error=error,
                ),
                field="source",
                value=self.path.name,
            ) from error

    def _ids(self, boxes: Sequence[Box]) -> str:
        return (
            "SELECT id FROM (" + " UNION ALL ".join(self._rows_in(box, "id") for box in boxes) + ")"
        )

    def _rows_in(self, box: Box, columns: str) -> str:
        minx, miny, maxx, maxy = (repr(float(number)) for number in box)
        return (
            f"SELECT {columns} FROM {quoted(self.table)} WHERE maxx >= {minx} AND minx <= {maxx} "
            f"AND maxy >= {miny} AND miny <= {maxy}"
        )


def touches(box: Box) -> Near:
    """Return what tells of boxes which touch another one."""
    west, south, east, north = box

    def near(boxes: Array) -> Array:
        meets: Array = (
            (boxes[:, 0] <= east)
            & (boxes[:, 2] >= west)
            & (boxes[:, 1] <= north)
            & (boxes[:, 3] >= south)
        )
        return meets

    return near


def find_rtree(path: Path, layer: str) -> RTree | None:
    """Return the R-tree of a GeoPackage layer, None where it has none or is no GeoPackage."""
    if path.suffix.lower() != ".gpkg":
        return None
    try:
        with closing(open_to_read(path)) as database:
            return rtree_in(database, path, layer)
    except sqlite3.Error:
        # GDAL says better than SQLite what is wrong with a file.
        return None


def bounds_beyond(path: Path, layer: str, stated: Box) -> Box | None:
    """Return the box of a layer's R-tree where it reaches beyond what the file states.

    What a GeoPackage states of a layer's extent is informative only (OGC 12-128r19, table 1): who
    adds features need not change it.
    """
    if path.suffix.lower() != ".gpkg":
        return None
    try:
        with closing(open_to_read(path)) as database:
            index = rtree_in(database, path, layer)
            found = box_of_all(database, index.table) if index else None
    except (sqlite3.Error, ValueError):
        # A damaged index is told with more words when it is asked.
        return None
    if found is None or not np.isfinite(found).all():
        return None
    slack = _ROUNDED_SHARE * np.abs(found).max()
    beyond = np.subtract(stated, found) * (1, 1, -1, -1)
    return found if (beyond > slack).any() else None


def key_of_table(path: Path, layer: str) -> str | None:
    """Return the column of keys of a table of a GeoPackage; None of a view, or of no GeoPackage."""
    if path.suffix.lower() != ".gpkg":
        return None
    try:
        with closing(open_to_read(path)) as database:
            keys = _keys(database, layer)
    except sqlite3.Error:
        return None
    return keys[0] if keys else None


def is_given(key: str | None) -> bool:
    """Tell whether a column of keys is no field: programs give it its name, or there is none."""
    return (key or "").lower() in ("", "fid", "ogc_fid", "rowid")


def _keys(database: sqlite3.Connection, layer: str) -> list[str]:
    """Return the column of a table's key, if it is one of those that are ids to GDAL (3.12)."""
    rows = database.execute(
        "SELECT name, type FROM pragma_table_info(?) WHERE pk", [layer]
    ).fetchall()
    return [name for name, type_ in rows if type_.upper() in _KEY_TYPES and len(rows) == 1]


def rtree_in(database: sqlite3.Connection, path: Path, layer: str) -> RTree | None:
    """Return what :func:`find_rtree` does of a GeoPackage that is open."""
    columns = database.execute(
        "SELECT column_name FROM gpkg_geometry_columns WHERE table_name = ?", [layer]
    ).fetchall()
    keys = _keys(database, layer)
    if len(columns) != 1 or len(keys) != 1:
        return None
    ((geometry,),) = columns
    table = f"rtree_{layer}_{geometry}"
    exists = database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", [table]).fetchone()
    return RTree(path, table, keys[0], geometry) if exists else None


def open_to_read(path: Path, *, is_of_one_thread: bool = True) -> sqlite3.Connection:
    """Return a connection to a file, through which nothing is written.

    Parameters
    ----------
    path : Path
    is_of_one_thread : bool
        Whether only the thread that opens it uses it; otherwise one at a time.

    Raises
    ------
    sqlite3.Error
        If it cannot be opened.
    """
    address = f"{path.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(address, uri=True, check_same_thread=is_of_one_thread)
