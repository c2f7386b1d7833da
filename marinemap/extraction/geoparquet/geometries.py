"""Geometries as GeoParquet encodes them, brought to the WKB that GDAL would give."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from marinemap.errors import DatasetError, quote
from marinemap.extraction.geometry.readable import read_column
from marinemap.extraction.geometry.type_names import shown_types
from marinemap.extraction.geometry.wkb import (
    lengths_of,
    replaced,
    to_column,
    type_codes,
    uint32_at,
)
from marinemap.extraction.geoparquet.metadata import NATIVE, GeoColumn
from marinemap.sentences import say

# What OGC's own numbers stay below; EWKB has bits beyond.
_BEYOND_ISO = 4_000
Array = np.ndarray[Any, Any]


def to_wkb(values: Any, geometry: GeoColumn, title: str) -> Any:
    """Return geometries as ISO WKB, little-endian.

    Raises
    ------
    DatasetError
        If one is broken, or of a type that the file says it has not.
    """
    try:
        is_wkb = geometry.encoding == "WKB"
        found = _plain_wkb(values) if is_wkb else _readable_native(values, geometry)
    except (shapely.errors.ShapelyError, pa.ArrowException, ValueError, TypeError) as error:
        raise DatasetError(
            say("a geometry of {title} is broken: {error}", title=title, error=quote(error)),
            field="source",
        ) from error
    _check_types(found, geometry, title)
    return found


def _plain_wkb(values: Any) -> Any:
    column = values.cast(pa.binary())
    odd = np.flatnonzero(_is_odd(column))
    if not len(odd):
        return column
    read = read_column(column, odd)
    # What cannot be read stays as it is, and is told of where it is missed.
    sound = ~shapely.is_missing(read.geometries)
    return replaced(column, odd[sound], to_column(read.geometries[sound]))


def _is_odd(column: Any) -> Array:
    """Tell which rows are big-endian, or have the bits of PostGIS."""
    rows = np.flatnonzero(lengths_of(column) >= 9)
    odd: Array = np.zeros(len(column), bool)
    odd[rows] = (type_codes(column)[rows] == 0) | (uint32_at(column, rows, 1) >= _BEYOND_ISO)
    return odd


def _readable_native(values: Any, geometry: GeoColumn) -> Any:
    """Return native geometries as WKB; of one that cannot be made, what nobody can read."""
    try:
        return _from_native(values, geometry)
    except shapely.errors.ShapelyError:
        if len(values) > 1:
            half = len(values) // 2
            parts = (values.slice(0, half), values.slice(half))
            return pa.concat_arrays([_readable_native(part, geometry) for part in parts])
    # The head of a geometry of one part, which does not come: it is counted where it is missed.
    return pa.array([struct.pack("<BII", 1, NATIVE.index(geometry.encoding) + 1, 1)])


def _from_native(values: Any, geometry: GeoColumn) -> Any:
    """Return what GeoArrow keeps as lists of coordinates (GeoParquet 1.1.0, native encodings)."""
    there = np.asarray(values.is_valid())
    sound, offsets = values.drop_null(), []
    while pa.types.is_list(sound.type) or pa.types.is_large_list(sound.type):
        ends = np.asarray(sound.value_lengths().fill_null(0)).cumsum()
        offsets.append(np.concatenate([[0], ends]).astype(np.int64))
        sound = sound.flatten()
    axes = [name for name in ("x", "y", "z") if sound.type.get_field_index(name) >= 0]
    corners = np.column_stack([np.asarray(pc.struct_field(sound, axis)) for axis in axes])
    kind = shapely.GeometryType(_native_number(geometry.encoding))
    found = np.full(len(values), None, object)
    found[there] = shapely.from_ragged_array(kind, corners, tuple(reversed(offsets)) or None)
    return to_column(found)


def _native_number(encoding: str) -> int:
    # Shapely counts rings between lines and polygons.
    return (0, 1, 3, 4, 5, 6)[NATIVE.index(encoding)]


def _check_types(column: Any, geometry: GeoColumn, title: str) -> None:
    stated = {type_.removesuffix(" Z") for type_ in geometry.types}
    # What is of no type cannot be read.
    unstated = shown_types(column) - stated - {"Unknown"}
    if stated and unstated:
        raise DatasetError(
            say(
                "{title} holds a {kind}, where its file states {listed} alone",
                title=title,
                kind=min(unstated),
                listed=", ".join(sorted(stated)),
            ),
            field="source",
            hint=say("Write the file anew: what it says of its types is wrong."),
        )
