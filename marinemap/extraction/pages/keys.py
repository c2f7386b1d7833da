"""Which features stand on a page: found by an index, without reading what was passed before."""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from marinemap.extraction.dataset import Dataset
from marinemap.extraction.filters.filter import Filter
from marinemap.extraction.geopackage.index import RTree, open_to_read, touches
from marinemap.extraction.geopackage.rtree_nodes import quoted
from marinemap.extraction.pages.source import PageSource
from marinemap.extraction.postgis.table import Table
from marinemap.extraction.reading.feature_ids import are_places
from marinemap.extraction.reading.opening import find_boxes

if TYPE_CHECKING:
    from marinemap.extraction.postgis.index import TableIndex

Array = np.ndarray[Any, Any]
Box = tuple[float, float, float, float]

# What boxes hold is kept for the pages after the first, what no box holds for all boxes: of so
# many each, and so much memory.
_MOST_BOXES = 32
_MOST_KEPT_BYTES = 64_000_000
# Before the first feature.
BEGINNING = -(2**62)
# After the last.
END = 2**62


@dataclass(frozen=True)
class Candidates:
    """Features that may stand on a page, in its order: a cursor for each, and how to read them."""

    cursors: Array
    wanted: Mapping[str, Any]


class Keys(Protocol):
    """The features of a layer in a fixed order, from any place in it."""

    def after(self, cursor: int, count: int) -> Candidates:
        """Return the features after a place, at most so many."""

    def skip(self, cursor: int, count: int) -> int:
        """Return the place after so many features more; beyond the last where there are fewer."""


def keys_of(source: PageSource, box: Box | None, filters: Sequence[Filter] = ()) -> Keys:
    """Return the keys of the features whose box may touch another, of all where it is None.

    Parameters
    ----------
    source : PageSource
    box : (minx, miny, maxx, maxy), optional
        In the layer's CRS.
    filters : sequence of Filter
        A server leaves out what cannot pass them; what comes is looked at all the same.
    """
    dataset = source.dataset
    if isinstance(dataset.path, Table):
        # Imported here: it takes long to import, and files need none of it.
        from marinemap.extraction.postgis.index import TableIndex

        return ServerKeys(TableIndex.of(dataset.path).narrowed([f.tree for f in filters]), box)
    if box is None:
        if source.database and source.index:
            return TableKeys(source.database, source.index, dataset.layer)
        return Positions(dataset.feature_count)
    name = (str(dataset.path), dataset.layer, source.mark, box)
    found = _kept.get(name)
    if found is None:
        found = _in_box(source, box)
        _kept.put(name, found)
    return BoxKeys(found)


@dataclass(frozen=True)
class TableKeys:
    """All features of a GeoPackage's layer, by its column of keys."""

    database: sqlite3.Connection
    rtree: RTree
    layer: str

    def after(self, cursor: int, count: int) -> Candidates:
        """Return the features of the next keys."""
        key, table = quoted(self.rtree.key), quoted(self.layer)
        query = f"SELECT {key} FROM {table} WHERE {key} > ? ORDER BY {key} LIMIT ?"
        rows = self.database.execute(query, [cursor, count]).fetchall()
        keys = np.array(rows, np.int64).reshape(-1)
        return Candidates(keys, {"fids": keys})

    def skip(self, cursor: int, count: int) -> int:
        """Return the key after so many more: found in the index of keys, without the features."""
        key, table = quoted(self.rtree.key), quoted(self.layer)
        query = f"SELECT {key} FROM {table} WHERE {key} > ? ORDER BY {key} LIMIT 1 OFFSET ?"
        row = self.database.execute(query, [cursor, count - 1]).fetchone()
        return END if row is None else int(row[0])


@dataclass(frozen=True)
class ServerKeys:
    """The features of a table in a box, or all, by its column of keys."""

    index: TableIndex
    box: Box | None

    def after(self, cursor: int, count: int) -> Candidates:
        """Return the features of the next keys."""
        keys = self.index.after(self.box, cursor, count)
        return Candidates(keys, {"fids": keys})

    def skip(self, cursor: int, count: int) -> int:
        """Return the key after so many more; the server passes over them."""
        keys = self.index.after(self.box, cursor, 1, count - 1)
        return int(keys[0]) if len(keys) else END


@dataclass(frozen=True)
class Positions:
    """All features of another source, by their place in it."""

    feature_count: int

    def after(self, cursor: int, count: int) -> Candidates:
        """Return the features at the next places; drivers skip to a place by their own index."""
        first = max(cursor + 1, 0)
        last = min(first + count, self.feature_count)
        wanted = {"skip_features": first, "max_features": max(last - first, 0)}
        return Candidates(np.arange(first, last), wanted)

    def skip(self, cursor: int, count: int) -> int:
        """Return the place so many further on."""
        return max(cursor, -1) + count


@dataclass(frozen=True)
class BoxKeys:
    """The features in a box, by their keys, which rise."""

    keys: Array

    def after(self, cursor: int, count: int) -> Candidates:
        """Return the features of the next keys."""
        first = int(np.searchsorted(self.keys, cursor, side="right"))
        keys = self.keys[first : first + count].astype(np.int64)
        return Candidates(keys, {"fids": keys})

    def skip(self, cursor: int, count: int) -> int:
        """Return the key after so many more."""
        last = int(np.searchsorted(self.keys, cursor, side="right")) + count - 1
        return int(self.keys[last]) if last < len(self.keys) else END


class _Kept:
    """The keys in the boxes that were asked for last, within bounds of memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: OrderedDict[Any, Array] = OrderedDict()
        self._bytes = 0

    def get(self, name: Any) -> Array | None:
        with self._lock:
            if name in self._found:
                self._found.move_to_end(name)
            return self._found.get(name)

    def put(self, name: Any, keys: Array) -> None:
        if keys.nbytes > _MOST_KEPT_BYTES:
            return
        with self._lock:
            self._bytes += keys.nbytes - self._bytes_of(name)
            self._found[name] = keys
            while self._bytes > _MOST_KEPT_BYTES or len(self._found) > _MOST_BOXES:
                self._bytes -= self._found.popitem(last=False)[1].nbytes

    def _bytes_of(self, name: Any) -> int:
        return self._found[name].nbytes if name in self._found else 0


_kept = _Kept()
_left_out = _Kept()


def _in_box(source: PageSource, box: Box) -> Array:
    database, rtree = source.database, source.index
    if are_places(source.dataset):
        _, bounds = find_boxes(source.dataset, None)
        return np.flatnonzero(touches(box)(bounds))
    if database is None or rtree is None:
        keys, _ = find_boxes(source.dataset, box)
        return np.unique(keys)
    found, nowhere = rtree.keys_in(database, box), _nowhere(source, rtree)
    keys = np.unique(np.concatenate([found, nowhere])) if len(nowhere) else found
    # Half the memory where the numbers are small enough.
    is_small = len(keys) == 0 or (keys[0] >= 0 and keys[-1] < 2**32)
    return keys.astype(np.uint32) if is_small else keys


def _nowhere(source: PageSource, rtree: RTree) -> Array:
    """Return the keys of features that the index leaves out: they lie nowhere.

    They are the same for each box, and to count the index takes a pass over it.
    """
    dataset = source.dataset
    name = (str(dataset.path), dataset.layer, source.mark)
    found = _left_out.get(name)
    if found is None:
        found = _look_for_left_out(dataset, rtree)
        _left_out.put(name, found)
    return found


def _look_for_left_out(dataset: Dataset, rtree: RTree) -> Array:
    if rtree.size() >= dataset.feature_count:
        return np.zeros(0, np.int64)
    key, listed = quoted(rtree.key), quoted(f"{rtree.table}_rowid")
    query = (
        f"SELECT {key} FROM {quoted(dataset.layer)} WHERE {key} NOT IN (SELECT rowid FROM {listed})"
    )
    with closing(open_to_read(rtree.path)) as database:
        return np.array(database.execute(query).fetchall(), np.int64).reshape(-1)
