"""Whether a FlatGeobuf is whole: GDAL reads one that is cut without a word, with features missing.

Its layout (flatgeobuf.org, version 3): eight bytes of magic, a header as a FlatBuffer with its
length before it, a packed R-tree, then features, each with its length before it.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from marinemap.extraction.sources.source import damaged

_MAGIC = b"fgb\x03fgb"
_MAGIC_BYTES = 8
# Fields of the header's table, by their place in the schema.
_FEATURES_COUNT, _INDEX_NODE_SIZE = 8, 9
_DEFAULT_NODE_SIZE = 16
_NODE = np.dtype([("box", "<f8", 4), ("offset", "<u8")])

Array = np.ndarray[Any, Any]


def feature_places(path: Path) -> Array:
    """Return where each feature begins, and where the last one ends, in bytes of the file.

    Raises
    ------
    DatasetError
        If the lengths that the file states do not fit one another or the file.
    """
    with path.open("rb") as file:
        if path.stat().st_size < _MAGIC_BYTES + 4 or not file.read(8).startswith(_MAGIC):
            raise damaged(path, "does not begin as a FlatGeobuf")
    try:
        # Mapped, so that no more of it is read than the lengths of the features.
        return _places(path, np.memmap(path, np.uint8, "r"))
    except (struct.error, ValueError, OverflowError) as error:
        raise damaged(path, f"has a header that cannot be read ({error})") from error


def _places(path: Path, data: Array) -> Array:
    header = _number(data, "<I", _MAGIC_BYTES)
    begin = _MAGIC_BYTES + 4
    count = _header_field(data, begin, _FEATURES_COUNT, "<Q", 0)
    node_size = _header_field(data, begin, _INDEX_NODE_SIZE, "<H", _DEFAULT_NODE_SIZE)
    index = begin + header
    nodes = _node_count(count, node_size) if node_size > 1 else 0
    features = index + nodes * _NODE.itemsize
    if features > len(data):
        raise damaged(path, "ends within its index")
    if nodes:
        found = np.frombuffer(data, _NODE, nodes, index)
        starts = found["offset"][nodes - count :].astype(np.int64) + features
        places = _followed(path, data, np.append(starts, len(data)))
    else:
        places = _walked(path, data, features)
    if count and len(places) - 1 != count:
        raise damaged(path, f"holds {len(places) - 1:,} features where it states {count:,}")
    return places


def _followed(path: Path, data: Array, places: Array) -> Array:
    """Look whether each feature's length leads to the next one, and the last to the end."""
    if (np.diff(places) < 4).any():
        raise damaged(path, "has an index that points outside of it, or twice at one place")
    at = places[:-1, None] + np.arange(4)
    lengths = np.ascontiguousarray(data[at]).view("<u4").ravel().astype(np.int64)
    odd = np.flatnonzero(places[:-1] + 4 + lengths != places[1:])
    if len(odd):
        raise damaged(path, f"ends within feature {int(odd[0]) + 1:,}, or its index lies")
    return places


def _walked(path: Path, data: Array, at: int) -> Array:
    places = [at]
    while at < len(data):
        if at + 4 > len(data):
            raise damaged(path, f"ends within feature {len(places):,}")
        at += 4 + _number(data, "<I", at)
        places.append(at)
    if at > len(data):
        raise damaged(path, f"ends within feature {len(places) - 1:,}")
    return np.array(places, np.int64)


def _node_count(features: int, size: int) -> int:
    if not features:
        return 0
    # One feature, too, has a root of its own above it.
    level = -(-features // size)
    total = features + level
    while level > 1:
        level = -(-level // size)
        total += level
    return total


def _header_field(data: Array, begin: int, number: int, form: str, default: int) -> int:
    """Return a number of the header's table (FlatBuffers, "Internals": tables and vtables)."""
    table = begin + _number(data, "<I", begin)
    fields = table - _number(data, "<i", table)
    if 4 + 2 * number >= _number(data, "<H", fields):
        return default
    place = _number(data, "<H", fields + 4 + 2 * number)
    return _number(data, form, table + place) if place else default


def _number(data: Array, form: str, at: int) -> int:
    if at < 0:
        raise ValueError(f"an offset leads to byte {at:,}")
    return int(struct.unpack(form, data[at : at + struct.calcsize(form)].tobytes())[0])
