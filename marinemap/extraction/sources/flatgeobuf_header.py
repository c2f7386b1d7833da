"""What a FlatGeobuf says of itself (flatgeobuf.org, version 3), and how its index is laid out.

Eight bytes of magic, a header as a FlatBuffer with its length before it, a packed R-tree level by
level from its root, then features in the order of its leaves, each with its length before it.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

MAGIC = b"fgb\x03fgb"
# Behind the magic and the length of the header.
HEADER = 12
# Of a node; of a leaf the offset is where its feature begins, counted from the first.
NODE = np.dtype([("box", "<f8", 4), ("offset", "<u8")])
# What a header is found damaged by.
HEADER_ERRORS = (struct.error, ValueError, OverflowError)
_MAGIC_BYTES = 8
# Fields of the header's table, by their place in the schema.
_FEATURES_COUNT, _INDEX_NODE_SIZE = 8, 9
_DEFAULT_NODE_SIZE = 16

Array = np.ndarray[Any, Any]


def header_end(data: Array) -> int:
    """Return where the header ends, of a file's bytes or its first ones."""
    return HEADER + number(data, "<I", _MAGIC_BYTES)


def feature_count(data: Array) -> int:
    """Return how many features a file states; 0 where it states none."""
    place = _field_place(data, _FEATURES_COUNT)
    return number(data, "<Q", place) if place else 0


def node_size(data: Array) -> int:
    """Return how many children a node of the index has; 0 where there is no index."""
    place = _field_place(data, _INDEX_NODE_SIZE)
    return number(data, "<H", place) if place else _DEFAULT_NODE_SIZE


def with_count(data: Array, count: int) -> bytes:
    """Return a header that states a number of features, as long as it was."""
    place, changed = _field_place(data, _FEATURES_COUNT), bytearray(data.tobytes())
    changed[place : place + 8] = struct.pack("<Q", count)
    return bytes(changed)


def level_sizes(features: int, size: int) -> list[int]:
    """Return how many nodes each level of an index has, the root's first."""
    if not features:
        return []
    # One feature, too, has a root of its own above it.
    sizes = [features, -(-features // size)]
    while sizes[-1] > 1:
        sizes.append(-(-sizes[-1] // size))
    return sizes[::-1]


def number(data: Array, form: str, at: int) -> int:
    """Return a number at a place, which a damaged file may have led to."""
    if at < 0:
        raise ValueError(f"an offset leads to byte {at:,}")
    return int(struct.unpack(form, data[at : at + struct.calcsize(form)].tobytes())[0])


def _field_place(data: Array, field: int) -> int:
    """Return where a number of the header's table is, 0 where it is left out.

    FlatBuffers, "Internals": tables and vtables.
    """
    table = HEADER + number(data, "<I", HEADER)
    fields = table - number(data, "<i", table)
    if 4 + 2 * field >= number(data, "<H", fields):
        return 0
    place = number(data, "<H", fields + 4 + 2 * field)
    return table + place if place else 0
