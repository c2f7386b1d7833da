"""Geometries as GDAL's driver for GeoJSON writes them whole, and of the type that they have."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely

from marinemap.extraction.geometry.multi import as_multi, as_one
from marinemap.extraction.geometry.wkb import (
    dimensions,
    kinds,
    leaves,
    replaced,
    to_column,
    to_geometries,
)

Array = np.ndarray[Any, Any]

_POINT, _COLLECTION = 1, 7


def plain_collections(column: Any) -> Any:
    """Return a column of WKB whose collections hold neither collections nor multi-points.

    GDAL's driver leaves out a multi-point that is in a collection with others (3.12.4), and RFC
    7946 (section 3.1.8) advises against collections in collections.
    """
    rows = np.flatnonzero(kinds(column) == _COLLECTION)
    return _replaced(column, rows, [_plain(each) for each in to_geometries(column, rows)])


def keep_types(column: Any, decimals: int) -> Any:
    """Return a column of WKB that is valid, and of the types it has, when it is rounded.

    What rounding makes invalid GDAL's driver repairs, by which a thin polygon becomes a line, and
    its layer one of mixed types. Here it is rounded and keeps its parts of an area or a length; if
    none is left, it stays a polygon or line of none.
    """
    rows = np.flatnonzero(kinds(column) > _POINT)
    given = to_geometries(column, rows)
    has_z = dimensions(column)[0][rows]
    near = given.copy()
    for flag in (False, True):
        some = has_z == flag
        near[some] = shapely.transform(given[some], lambda at: at.round(decimals), include_z=flag)
    broken = np.flatnonzero(~shapely.is_valid(near))
    # What is not valid as it came stays so.
    broken = broken[shapely.is_valid(given[broken])]
    return _replaced(column, rows[broken], [_repaired(each) for each in near[broken]])


def _plain(collection: Any) -> Any:
    parts = leaves(collection)
    points = shapely.get_type_id(parts) == shapely.GeometryType.MULTIPOINT
    return shapely.geometrycollections([*parts[~points], *shapely.get_parts(parts[points])])


def _repaired(geometry: Any) -> Any:
    """Return the parts that keep their dimension when it is made valid; itself if none does."""
    if geometry.geom_type == "GeometryCollection":
        return shapely.geometrycollections([_repaired(part) for part in leaves(geometry)])
    valid = shapely.make_valid(geometry, method="structure")
    dimension = shapely.get_dimensions(geometry)
    parts = shapely.get_parts(leaves(valid))
    parts = parts[shapely.get_dimensions(parts) == dimension]
    if len(parts) == 0:
        return geometry
    made = as_multi if geometry.geom_type.startswith("Multi") else as_one
    return made(parts, int(dimension))


def _replaced(column: Any, rows: Array, geometries: list[Any]) -> Any:
    if len(rows) == 0:
        return column
    return replaced(column, rows, to_column(np.array(geometries, object)))
