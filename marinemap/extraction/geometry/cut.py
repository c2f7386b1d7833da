"""Cut geometries by areas, each to parts of its own dimension; the invalid are mended first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from marinemap.extraction.geometry.multi import as_one
from marinemap.extraction.geometry.ragged import ragged
from marinemap.extraction.geometry.wkb import Array, leaves, to_column, to_geometries

# Checking so many takes some ten milliseconds; a second core then looks while the first one cuts.
_MANY_VERTICES = 50_000
_COLLECTION = shapely.GeometryType.GEOMETRYCOLLECTION


@dataclass(frozen=True)
class Cut:
    """What is left of geometries, row for row: None where nothing is.

    ``repaired`` counts those mended of which something is left, ``trimmed`` those that lost parts
    of a lower dimension. ``collapsed`` tells which are none of their type: polygons of no area,
    lines of no length.
    """

    geometries: Array
    repaired: int
    trimmed: int
    collapsed: Array


def cut(geometries: Array, local: Array) -> Cut:
    """Cut geometries, each to the part of the area around it, row for row.

    Repair may not reach beyond a geometry's box: the structure method adds no new extremes.
    """
    dimensions = shapely.get_dimensions(geometries)
    collections = shapely.get_type_id(geometries) == _COLLECTION
    if shapely.get_num_coordinates(geometries).sum() > _MANY_VERTICES:
        valid, invalid, pieces = _cut_while_checked(geometries, local, collections)
    else:
        valid, invalid = _valid(geometries)
        pieces = _pieces(valid, local, collections)
    parts, trimmed = _parts_of_dimension(pieces, dimensions)
    for index in np.flatnonzero(collections):
        parts[index] = _cut_collection(geometries[index], local[index])
    repaired = int((invalid & ~shapely.is_missing(parts)).sum())
    # Mending makes lines of polygons without an area, and points of lines without a length.
    collapsed = invalid & (shapely.get_dimensions(valid) < dimensions)
    return Cut(parts, repaired, trimmed, collapsed)


def _pieces(valid: Array, local: Array, collections: Array) -> Array:
    pieces = valid.copy()
    pieces[~collections] = shapely.intersection(valid[~collections], local[~collections])
    return pieces


def _cut_while_checked(
    geometries: Array, local: Array, collections: Array
) -> tuple[Array, Array, Array]:
    """Cut as if all were valid, while another core looks; cut again if some are not."""
    with ThreadPoolExecutor(1) as pool:
        checking = pool.submit(_valid, geometries)
        try:
            pieces = _pieces(geometries, local, collections)
        except shapely.errors.GEOSException:
            # GEOS may fail on what is not valid: then it is mended, and there is another cut.
            pieces = None
        valid, invalid = checking.result()
    if invalid.any() or pieces is None:
        pieces = _pieces(valid, local, collections)
    return valid, invalid, pieces


def _valid(geometries: Array) -> tuple[Array, Array]:
    """Return geometries mended, and which were."""
    invalid: Array = ~shapely.is_valid(geometries)
    if not invalid.any():
        return geometries, invalid
    repaired = geometries.copy()
    # The linework method takes seconds on a star of a hundred corners; structure does not.
    repaired[invalid] = shapely.make_valid(geometries[invalid], method="structure")
    return repaired, invalid


def _parts_of_dimension(geometries: Array, dimensions: Array) -> tuple[Array, int]:
    """Keep of each geometry the parts of a dimension; count those that lost others."""
    wanted = shapely.get_dimensions(geometries) == dimensions
    wanted &= ~shapely.is_empty(geometries)
    mixed = shapely.get_type_id(geometries) == shapely.GeometryType.GEOMETRYCOLLECTION
    result: Array = geometries.copy()
    result[~wanted | mixed] = None
    for index in np.flatnonzero(wanted & mixed):
        result[index] = _largest_kind(geometries[index], int(dimensions[index]))
    return _with_closed_measures(result), int((wanted & mixed).sum())


def _with_closed_measures(geometries: Array) -> Array:
    """Give each ring at its end the measure of its beginning: GEOS 3.14 leaves NaN there."""
    rows = np.flatnonzero(shapely.has_m(geometries) & (shapely.get_dimensions(geometries) == 2))
    closed = geometries.copy()
    for group in ragged(to_column(geometries[rows])):
        positions = group.coordinates.copy()
        positions[group.parts[1:] - 1, -1] = positions[group.parts[:-1], -1]
        whole = group.replaced(positions, group.parts).to_column()
        closed[rows[group.rows]] = to_geometries(whole)
    return closed


def _cut_collection(collection: Any, area: Any) -> Any:
    """Cut each part of a collection by itself, so that each keeps its own dimension."""
    valid, _ = _valid(leaves(collection))
    pieces = shapely.intersection(valid, area)
    parts, _ = _parts_of_dimension(pieces, shapely.get_dimensions(valid))
    left = parts[~shapely.is_missing(parts)]
    return shapely.geometrycollections(left) if len(left) else None


def _largest_kind(collection: Any, dimension: int) -> Any:
    """Return the parts of one dimension as a single or multi geometry, None if there are none."""
    parts = shapely.get_parts(shapely.get_parts(collection))
    parts = parts[shapely.get_dimensions(parts) == dimension]
    return as_one(parts, dimension) if len(parts) else None
