"""The geometries of a layer of the catalogue, small enough to be a task's result."""

from __future__ import annotations

from typing import Any

from marinemap.catalogue.models import Layer
from marinemap.catalogue.viewers import OPERATOR
from marinemap.extraction import parse_area, read_geometries

# Some 20 MB as GeoJSON: what a result row in the database carries without harm.
MAX_VERTICES = 500_000


def layer_geometries(name: str, area: Any = None) -> list[Any]:
    """Return the geometries of a layer, clipped to an area where one is given.

    Whoever calls it has the server or its queue: layers for groups are there as well.

    Parameters
    ----------
    name : str
        A layer of the catalogue.
    area : GeoJSON mapping or bounds, optional
        In degrees, longitude before latitude.

    Returns
    -------
    list of shapely geometries
        In the layer's own CRS, x before y.

    Raises
    ------
    RequestError
        If there is no such layer, the area is not sound, or the result would be too large: then
        ask for an extract.
    """
    layer = Layer.objects.get_visible(name, OPERATOR)
    outline = None if area is None else parse_area(area)
    return read_geometries(layer.to_source(), outline, max_vertices=MAX_VERTICES)
