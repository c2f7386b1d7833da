"""Cut features to an area: what lies inside passes untouched, what crosses the edge is cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from marinemap.extraction.crs import Geometries

_COLLECTION = shapely.GeometryType.GEOMETRYCOLLECTION
_MAKE_MULTI: dict[int, Any] = {
    0: shapely.multipoints,
    1: shapely.multilinestrings,
    2: shapely.multipolygons,
}


@dataclass(frozen=True)
class Clipped:
    """The cut geometries (None where nothing is left) and how many were repaired first."""

    geometries: Geometries
    repaired: int


def clip(geometries: Geometries, area: Any, dimension: int) -> Clipped:
    """Cut geometries to an area.

    A geometry properly inside the area is returned as it came, coordinate for coordinate.

    Parameters
    ----------
    geometries : numpy array of shapely geometries
        In the area's CRS; None and empty ones become None.
    area : shapely Polygon or MultiPolygon
        Valid.
    dimension : {0, 1, 2}
        Points, lines or polygons: parts of a lower dimension, such as the line where a polygon
        only touches the area, are left out.
    """
    shapely.prepare(area)
    kept = np.full(len(geometries), None, dtype=object)
    right_kind = shapely.get_dimensions(geometries) == dimension
    inside = right_kind & shapely.contains_properly(area, geometries)
    kept[inside] = geometries[inside]
    on_edge = np.flatnonzero(right_kind & ~inside)
    valid, repaired = _valid(geometries[on_edge])
    crossing = on_edge[shapely.intersects(area, valid)]
    cut = shapely.intersection(valid[np.isin(on_edge, crossing)], area)
    kept[crossing] = _parts_of_dimension(cut, dimension)
    return Clipped(kept, repaired)


def _valid(geometries: Geometries) -> tuple[Geometries, int]:
    invalid = ~shapely.is_valid(geometries)
    if not invalid.any():
        return geometries, 0
    repaired = geometries.copy()
    # The linework method takes seconds on a star of a hundred corners; structure does not.
    repaired[invalid] = shapely.make_valid(geometries[invalid], method="structure")
    return repaired, int(invalid.sum())


def _parts_of_dimension(geometries: Geometries, dimension: int) -> Geometries:
    wanted = shapely.get_dimensions(geometries) == dimension
    wanted &= ~shapely.is_empty(geometries)
    mixed = shapely.get_type_id(geometries) == _COLLECTION
    result: Geometries = geometries.copy()
    result[~wanted | mixed] = None
    for index in np.flatnonzero(mixed):
        result[index] = _largest_kind(geometries[index], dimension)
    return result


def _largest_kind(collection: Any, dimension: int) -> Any:
    """Return the parts of one dimension as a single or multi geometry, None if there are none."""
    parts = shapely.get_parts(shapely.get_parts(collection))
    parts = parts[shapely.get_dimensions(parts) == dimension]
    if len(parts) == 0:
        return None
    return parts[0] if len(parts) == 1 else _MAKE_MULTI[dimension](parts)
