"""Where features are asked for: the bounds of a request, and the literals of a filter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from marinemap.api.features.crs import Box, FeatureCrs, box_in_layer, boxes_of, followed, moved
from marinemap.catalogue.models import Layer
from marinemap.extraction import Filter, GeometryField
from marinemap.sentences import say

# What a filter calls the geometry, unless the layer has a field of that name.
_NAMES = ("geometry", "geom", "the_geom", "shape")


def geometry_name(layer: Layer) -> str:
    """Return what a filter calls the geometry of a layer's features."""
    taken = {field["name"] for field in layer.fields}
    free = (name for name in _NAMES if name not in taken)
    return next(free, f"geometry_{len(taken)}")


def geometry_field(layer: Layer, crs: FeatureCrs) -> GeometryField:
    """Return the geometry of a layer, for filters whose literals are in a CRS."""
    return GeometryField(
        name=geometry_name(layer),
        moved=lambda geometries: moved(geometries, layer, crs),
        followed=lambda geometries, corners: followed(geometries, corners, layer, crs),
        boxes=lambda bbox: checked_boxes(bbox, crs),
        is_swapped=crs.is_swapped,
    )


def checked_boxes(bbox: Any, crs: FeatureCrs) -> list[Box]:
    """Return the boxes of a bbox, two where it crosses 180 degrees.

    Raises
    ------
    ValueError
        If it is none, telling why.
    """
    if not isinstance(bbox, list) or len(bbox) not in (4, 6) or not all(map(_is_number, bbox)):
        raise ValueError(say("a bbox has four finite numbers, or six with heights"))
    boxes = boxes_of(bbox, crs)
    if any(south > north or west > east for west, south, east, north in boxes):
        raise ValueError(
            say(
                "the bbox ends before it begins; write west, south, east, north in the "
                "order of the axes of its CRS"
            )
        )
    return boxes


def narrowest(
    box: Box | None, filters: Sequence[Filter], layer: Layer, crs: FeatureCrs
) -> Box | None:
    """Return the smallest box, in the layer's CRS, that what is wanted touches; None for all."""
    needed = [box_in_layer(each.boxes, layer, crs) for each in filters if each.boxes]
    found = [each for each in (box, *needed) if each is not None]
    return min(found, key=lambda at: (at[2] - at[0]) * (at[3] - at[1]), default=None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
