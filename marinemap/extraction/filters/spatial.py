"""Spatial functions of filters (OGC 21-065r2, class Spatial Functions)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from marinemap.extraction.geometry.refused_text import why_no_geometry
from marinemap.sentences import say

Array = np.ndarray[Any, Any]
Box = tuple[float, float, float, float]

# What holds of a literal and a geometry where the function holds of the geometry and the literal.
_TURNED: dict[str, Callable[[Any, Any], Any]] = {
    "s_intersects": shapely.intersects,
    "s_equals": shapely.equals,
    "s_disjoint": shapely.disjoint,
    "s_touches": shapely.touches,
    "s_within": shapely.contains,
    "s_contains": shapely.within,
    "s_overlaps": shapely.overlaps,
    "s_crosses": shapely.crosses,
}
SPATIAL = tuple(_TURNED)
# What asks for the same corners; the others ask where edges run.
_OF_CORNERS = ("s_equals", "s_touches")
_SINGLE = ("Point", "LineString", "Polygon")
_TYPES = (*_SINGLE, *(f"Multi{name}" for name in _SINGLE), "GeometryCollection")


@dataclass(frozen=True)
class GeometryField:
    """The geometry of a layer's features, as a filter names it.

    Parameters
    ----------
    name : str
    moved : callable
        Gives geometries of the layer in the CRS of the filter's literals, x before y: their
        corners.
    followed : callable
        Takes what the former took and gave, and gives the geometries with their edges where they
        run: straight in the layer's CRS.
    boxes : callable
        Gives the boxes of a literal's bounds: two where it crosses 180 degrees.
    is_swapped : bool
        Whether literals are written with y before x.
    """

    name: str
    moved: Callable[[Array], Array]
    boxes: Callable[[list[float]], list[Box]]
    followed: Callable[[Array, Array], Array]
    is_swapped: bool = False

    def is_meant(self, node: Any) -> bool:
        """Tell whether a part of a filter is this geometry."""
        return isinstance(node, Mapping) and node == {"property": self.name}

    def literal(self, node: Any) -> shapely.Geometry:
        """Return a geometry that a filter writes out.

        Raises
        ------
        ValueError
            If it is none, telling why.
        """
        if isinstance(node, Mapping) and set(node) == {"bbox"}:
            return shapely.union_all([shapely.box(*box) for box in self.boxes(node["bbox"])])
        if not isinstance(node, Mapping) or node.get("type") not in _TYPES:
            raise ValueError(
                say(
                    "a geometry is {name}, BBOX(west, south, east, north), or written out "
                    "such as POINT(5 43)",
                    name=self.name,
                )
            )
        found = _parsed(node)
        if self.is_swapped:
            found = shapely.transform(found, lambda corners: corners[:, ::-1])
        return found


def _parsed(node: Mapping[str, Any]) -> shapely.Geometry:
    try:
        found = shapely.force_2d(shapely.from_geojson(json.dumps(node)))
    except (shapely.GEOSException, ValueError) as error:
        raise ValueError(say("not a geometry: {error}", error=why_no_geometry(error))) from error
    if shapely.is_empty(found) or not np.isfinite(shapely.get_coordinates(found)).all():
        raise ValueError(say("the geometry is empty, or has a coordinate that is no number"))
    if not shapely.is_valid(found):
        raise ValueError(
            say("the geometry is not sound: {why}", why=shapely.is_valid_reason(found))
        )
    return found


@dataclass(frozen=True)
class Placed:
    """Geometries in the CRS of a filter's literals: by their corners, and with followed edges."""

    corners: Array
    edges: Array


def related(function: str, placed: Placed, literal: shapely.Geometry) -> Any:
    """Return for which geometries a function holds with a literal; null where there is none."""
    shapely.prepare(literal)
    turned = _TURNED[function]
    geometries = placed.corners if function in _OF_CORNERS else placed.edges
    try:
        found = turned(literal, geometries)
    except shapely.GEOSException:
        # What crosses itself has no inside that could be compared.
        found = turned(literal, shapely.make_valid(geometries))
    return pa.array(found, pa.bool_(), mask=shapely.is_missing(geometries))


def needed_boxes(node: Any, geometry: GeometryField) -> list[Box]:
    """Return boxes of which every feature that passes a filter touches at least one, of each
    literal that it has to meet; none where the filter asks for no place."""
    if not isinstance(node, Mapping) or not isinstance(node.get("args"), list):
        return []
    if node.get("op") == "and":
        found = [needed_boxes(each, geometry) for each in node["args"]]
        return min(filter(None, found), key=_extent, default=[])
    if node.get("op") not in _TURNED or node["op"] == "s_disjoint":
        return []
    literals = [each for each in node["args"] if not geometry.is_meant(each)]
    if len(literals) != 1 or len(node["args"]) != 2:
        return []
    (literal,) = literals
    if "bbox" in literal:
        return geometry.boxes(literal["bbox"])
    west, south, east, north = shapely.bounds(geometry.literal(literal)).tolist()
    return [(west, south, east, north)]


def _extent(boxes: list[Box]) -> float:
    return sum((east - west) * (north - south) for west, south, east, north in boxes)
