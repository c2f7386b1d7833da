"""The names of types of geometries, and what a column shows of them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from marinemap.extraction.geometry.wkb import kinds

# As WKB numbers them, from 1.
TYPE_NAMES = (
    "Point",
    "LineString",
    "Polygon",
    "MultiPoint",
    "MultiLineString",
    "MultiPolygon",
    "GeometryCollection",
)
UNKNOWN = "Unknown"


def shown_types(column: Any) -> set[str]:
    """Return the types of a column of WKB, without heights."""
    numbers = [number for number in np.unique(kinds(column)).tolist() if number]
    return {TYPE_NAMES[n - 1] if n <= len(TYPE_NAMES) else UNKNOWN for n in numbers}


def common_type(names: Collection[str]) -> str:
    """Return the one type that some names are of, single or multiple; else that it is unknown."""
    if len({name.removeprefix("Multi") for name in names}) != 1:
        return UNKNOWN
    return max(names, key=len)
