"""Whether a FlatGeobuf is whole: GDAL reads one that is cut with features missing, and no word."""

from __future__ import annotations

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
from marinemap.extraction.sources.source import damaged

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
        return _places(path, np.memmap(path, np.uint8, "r"))
    except HEADER_ERRORS as error:
        raise damaged(path, f"has a header that cannot be read ({error})") from error


def leaf_boxes(path: Path) -> Array | None:
    """Return the boxes of all features, as the index of a sound file has them; None without one."""
    data = np.memmap(path, np.uint8, "r")
    begin, count, size = header_end(data), feature_count(data), node_size(data)
    if not count or size < 2:
        return None
    nodes = np.frombuffer(data, NODE, sum(level_sizes(count, size)), begin)
    return nodes["box"][len(nodes) - count :]


def _places(path: Path, data: Array) -> Array:
    index, count, size = header_end(data), feature_count(data), node_size(data)
    nodes = sum(level_sizes(count, size)) if size > 1 else 0
    features = index + nodes * NODE.itemsize
    if features > len(data):
        raise damaged(path, "ends within its index")
    if nodes:
        found = np.frombuffer(data, NODE, nodes, index)
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
        at += 4 + number(data, "<I", at)
        places.append(at)
    if at > len(data):
        raise damaged(path, f"ends within feature {len(places) - 1:,}")
    return np.array(places, np.int64)
