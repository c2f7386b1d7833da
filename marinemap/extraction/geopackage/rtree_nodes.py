"""The nodes of SQLite's R-tree, read as arrays: a level of the tree at a time.

Asking SQLite for the boxes near an area gives one row at a time, and sorting the keys takes as
long again, all before the first feature is read. Its nodes are few: 51 entries each.

A node is a blob: two bytes that tell the depth of the tree (in the root only), the number of
cells in two, then the cells: a key of a row or number of a node in eight bytes, and minx, maxx,
miny, maxy as 32-bit floating point numbers, all big-endian (SQLite, ext/rtree/rtree.c, "Node
content"). The root's number is 1.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

_ROOT = 1
_HEADER_BYTES = 4
_CELL = np.dtype([("key", ">i8"), ("sides", ">f4", 4)])
# SQLite allows no deeper tree (RTREE_MAX_DEPTH).
_MOST_LEVELS = 40
_NODES_AT_ONCE = 400
_KEYS_AT_ONCE = 1_000_000
# Keys of a table that has been written once follow each other; a byte for each in their range is
# then less than a number for each near the area. More than this for each row is too much.
_MOST_RANGE = 8

Array = np.ndarray[Any, Any]
# Takes boxes (minx, miny, maxx, maxy), shape (n, 4); tells which of them may hold what is wanted.
Near = Callable[[Array], Array]
Box = tuple[float, float, float, float]


class KeySet:
    """Keys of features, each once.

    Parameters
    ----------
    first, last : int
        The range in which all keys lie; takes a byte for each.
    """

    def __init__(self, first: int, last: int) -> None:
        self._first = first
        self._flags = np.zeros(last - first + 1, bool)

    def __len__(self) -> int:
        return int(np.count_nonzero(self._flags))

    def add(self, keys: Array) -> None:
        """Take up keys, shape (n,).

        Raises
        ------
        ValueError
            If one lies outside the range.
        """
        places = keys - self._first
        if len(places) and (places.min() < 0 or places.max() >= len(self._flags)):
            raise ValueError("a key lies outside the range of keys")
        self._flags[places] = True

    def blocks(self, first_size: int, size: int) -> Iterator[Array]:
        """Yield the keys, rising, so many at a time; the first block has a size of its own."""
        rest = np.zeros(0, np.int64)
        wanted = first_size
        for begin in range(0, len(self._flags), _KEYS_AT_ONCE):
            found = np.flatnonzero(self._flags[begin : begin + _KEYS_AT_ONCE])
            rest = np.concatenate([rest, found + (self._first + begin)])
            while len(rest) >= wanted:
                yield rest[:wanted]
                rest, wanted = rest[wanted:], size
        if len(rest):
            yield rest


def find_keys(database: sqlite3.Connection, table: str, near: Near) -> KeySet | None:
    """Return the keys of the entries whose box may hold what is wanted.

    None if the keys lie too far apart to be kept so.

    Parameters
    ----------
    database : sqlite3.Connection
    table : str
        The R-tree's name.
    near : callable
        Asked for the boxes of inner nodes as well.

    Raises
    ------
    ValueError
        If a node is not as described above: the file is damaged.
    """
    # Each by itself takes a look at the index; in one SELECT they take a pass over all rows.
    low, high, rows = (
        database.execute(f"SELECT {what} FROM {quoted(f'{table}_rowid')}").fetchone()[0]
        for what in ("min(rowid)", "max(rowid)", "count(*)")
    )
    if not rows:
        return KeySet(0, 0)
    if high - low >= _MOST_RANGE * rows:
        return None
    found = KeySet(low, high)
    for keys in _leaf_keys(database, table, near):
        found.add(keys)
    return found


def find_few_keys(database: sqlite3.Connection, table: str, near: Near) -> Array:
    """Return the keys that :func:`find_keys` finds, rising, without a look at all the others.

    To count the entries of an index takes as long as to read it: for a window of a large layer
    most of the time.

    Raises
    ------
    ValueError
        If a node is not as described above: the file is damaged.
    """
    highest = database.execute(f"SELECT max(rowid) FROM {quoted(f'{table}_rowid')}").fetchone()[0]
    found = [] if highest is None else list(_leaf_keys(database, table, near))
    return np.sort(np.concatenate([np.zeros(0, np.int64), *found]))


def box_of_all(database: sqlite3.Connection, table: str) -> Box | None:
    """Return the box (minx, miny, maxx, maxy) around all entries; None where there are none.

    Its sides are 32-bit numbers, rounded outward.

    Raises
    ------
    ValueError
        If the root is not as described above: the file is damaged.
    """
    (root,) = _blobs(database, table, np.array([_ROOT]))
    if root[2:_HEADER_BYTES] == b"\0\0":
        return None
    minx, maxx, miny, maxy = _cells([root])["sides"].astype(float).T
    return float(minx.min()), float(miny.min()), float(maxx.max()), float(maxy.max())


def quoted(name: str) -> str:
    """Return a name as SQL has it."""
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _leaf_keys(database: sqlite3.Connection, table: str, near: Near) -> Iterator[Array]:
    (root,) = _blobs(database, table, np.array([_ROOT]))
    depth = int.from_bytes(root[:2], "big")
    if depth > _MOST_LEVELS:
        raise ValueError(f"a tree of {depth} levels")
    found = iter([_near_in([root], near)])
    for _ in range(depth):
        found = _near_keys(database, table, np.concatenate(list(found)), near)
    yield from found


def _near_keys(
    database: sqlite3.Connection, table: str, nodes: Array, near: Near
) -> Iterator[Array]:
    for begin in range(0, max(1, len(nodes)), _NODES_AT_ONCE):
        yield _near_in(_blobs(database, table, nodes[begin : begin + _NODES_AT_ONCE]), near)


def _near_in(blobs: list[bytes], near: Near) -> Array:
    """Return the keys of rows, or the numbers of nodes, that some nodes hold of what is wanted."""
    cells = _cells(blobs)
    minx, maxx, miny, maxy = cells["sides"].astype(float).T
    wanted = near(np.column_stack([minx, miny, maxx, maxy]))
    found: Array = cells["key"][wanted].astype(np.int64)
    return found


def _blobs(database: sqlite3.Connection, table: str, nodes: Array) -> list[bytes]:
    # As one text: the statement is the same each time, and need not be prepared anew.
    numbers = ",".join(map(str, nodes.tolist()))
    rows = database.execute(
        f"SELECT data FROM {quoted(f'{table}_node')} "
        "WHERE nodeno IN (SELECT value FROM json_each(?))",
        [f"[{numbers}]"],
    )
    blobs = [blob for (blob,) in rows]
    if len(blobs) != len(nodes):
        raise ValueError("a node is missing")
    return blobs


def _cells(blobs: list[bytes]) -> Array:
    """Return the cells in use, shape (n,)."""
    if not blobs:
        return np.zeros(0, _CELL)
    # Unequal lengths cannot be shaped: ValueError.
    data = np.frombuffer(b"".join(blobs), np.uint8).reshape(len(blobs), len(blobs[0]))
    room = (data.shape[1] - _HEADER_BYTES) // _CELL.itemsize
    counts = data[:, 2:4].copy().view(">u2")
    # An index without entries is not looked at.
    if (counts > room).any() or (counts == 0).any():
        raise ValueError("a node has no cells, or more than it has room for")
    cells = data[:, _HEADER_BYTES : _HEADER_BYTES + room * _CELL.itemsize].copy().view(_CELL)
    used: Array = cells[np.arange(room) < counts]
    return used
