"""Geometries made of parts of one dimension."""

from __future__ import annotations

from typing import Any

import shapely

from marinemap.extraction.geometry.wkb import Array

_MAKE: dict[int, Any] = {
    0: shapely.multipoints,
    1: shapely.multilinestrings,
    2: shapely.multipolygons,
}


def as_multi(parts: Array, dimension: int) -> Any:
    """Return single parts, all of a dimension, as a multi-geometry."""
    return _MAKE[dimension](parts)


def as_one(parts: Array, dimension: int) -> Any:
    """Return a single part as it is, several as a multi-geometry."""
    return parts[0] if len(parts) == 1 else as_multi(parts, dimension)
