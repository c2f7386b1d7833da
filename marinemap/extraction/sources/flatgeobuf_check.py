"""Whether a FlatGeobuf is whole: GDAL reads one that is cut with features missing, and no word."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from marinemap.extraction.sources.flatgeobuf_header import (
    HEADER,
    HEADER_ERRORS,
    MAGIC,
    NODE,
    feature_count,
    header_end,
    level_sizes,
    node_size,
    number,
)
from marinemap.extraction.sources.mapped import Mapped, mapped
from marinemap.extraction.sources.source import damaged

_FEATURES_AT_ONCE = 1 << 14
_BOXES_AT_ONCE = 1 << 16

Array = np.ndarray[Any, Any]


def feature_places(path: Path) -> Array:
    """Return where each feature begins, and where the last one ends, in bytes of the file.

    Raises
    ------
    DatasetError
        If the lengths that the file states do not fit one another or the file.
    """
    with path.open("rb") as file:
        if path.stat().st_size < HEADER or not file.read(8).startswith(MAGIC):
            raise damaged(path, "does not begin as a FlatGeobuf")
    try:
        # Mapped, so that no more of it is read than the lengths of the features.
        with mapped(path) as file:
            assert file is not None, "it has a beginning"
            return _places(path, file)
    except HEADER_ERRORS as error:
        raise damaged(path, f"has a header that cannot be read ({error})") from error


def leaf_boxes(path: Path) -> Iterator[Array] | None:
    """Return the boxes of all features, some at a time, as the index of a sound file has them.

    None without an index. Read and not mapped: a file that is cut meanwhile would end the process.

    Raises
    ------
    DatasetError
        If it is no longer the file that was found sound; so does the next of the boxes.
    """
    with _still_sound(path), path.open("rb") as file:
        first = file.read(HEADER)
        head = first + file.read(header_end(np.frombuffer(first, np.uint8)) - HEADER)
        data = np.frombuffer(head, np.uint8)
        count, size = feature_count(data), node_size(data)
    if not count or size < 2:
        return None
    above = sum(level_sizes(count, size)) - count
    return _boxes(path, len(head) + above * NODE.itemsize, count)


def _boxes(path: Path, begin: int, count: int) -> Iterator[Array]:
    with _still_sound(path), path.open("rb") as file:
        file.seek(begin)
        for first in range(0, count, _BOXES_AT_ONCE):
            some = min(_BOXES_AT_ONCE, count - first)
            # Of fewer bytes than asked for no whole nodes are made: a ValueError.
            yield np.frombuffer(file.read(some * NODE.itemsize), NODE, some)["box"].astype(float)


@contextmanager
def _still_sound(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, *HEADER_ERRORS) as error:
        raise damaged(path, f"can no longer be read ({error})") from error


def _places(path: Path, file: Mapped) -> Array:
    data = file.array
    index, count, size = header_end(data), feature_count(data), node_size(data)
    nodes = sum(level_sizes(count, size)) if size > 1 else 0
    features = index + nodes * NODE.itemsize
    if features > len(data):
        raise damaged(path, "ends within its index")
    if nodes:
        leaves = index + (nodes - count) * NODE.itemsize
        places = _followed(path, file, _starts(data[leaves:features]) + features)
    else:
        places = _walked(path, file, features)
    if count and len(places) - 1 != count:
        raise damaged(path, f"holds {len(places) - 1:,} features where it states {count:,}")
    return places


def _starts(leaves: Array) -> Array:
    """Return where features begin, from the first, as the leaves of an index tell."""
    return leaves.view(NODE)["offset"].astype(np.int64)


def _followed(path: Path, file: Mapped, starts: Array) -> Array:
    """Look whether each feature's length leads to the next one, and the last to the end."""
    places = np.append(starts, len(file.array))
    if (np.diff(places) < 4).any():
        raise damaged(path, "has an index that points outside of it, or twice at one place")
    for first in range(0, len(starts), _FEATURES_AT_ONCE):
        part = places[first : first + _FEATURES_AT_ONCE + 1]
        at = part[:-1, None] + np.arange(4)
        lengths = np.ascontiguousarray(file.array[at]).view("<u4").ravel().astype(np.int64)
        odd = np.flatnonzero(part[:-1] + 4 + lengths != part[1:])
        if len(odd):
            which = first + int(odd[0]) + 1
            raise damaged(path, f"ends within feature {which:,}, or its index lies")
        file.let_go(int(part[-1]))
    return places


def _walked(path: Path, file: Mapped, at: int) -> Array:
    data, places = file.array, array("q", [at])
    while at < len(data):
        if at + 4 > len(data):
            raise damaged(path, f"ends within feature {len(places):,}")
        at += 4 + number(data, "<I", at)
        places.append(at)
        file.let_go(at)
    if at > len(data):
        raise damaged(path, f"ends within feature {len(places) - 1:,}")
    return np.array(places, np.int64)
