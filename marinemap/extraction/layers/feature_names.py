"""The names of a layer's features, with their ids and boxes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyproj
import shapely

from marinemap.extraction.areas.near import route_to
from marinemap.extraction.dataset import Dataset
from marinemap.extraction.pages.keys import BEGINNING
from marinemap.extraction.pages.page import Wanted, read_page
from marinemap.extraction.pages.rows import Features
from marinemap.extraction.projection.crs import CRS84, parse_crs
from marinemap.extraction.projection.route import Route

_AT_A_TIME = 1_000
# Corners and middles of a box's edges, as parts of its width and height.
_PLACES = [(x / 2, y / 2) for x in range(3) for y in range(3)]


def read_names(
    dataset: Dataset, mark: str, field: str
) -> Iterator[tuple[int, str, list[float] | None]]:
    """Yield the id, name and box of each feature that has a name.

    Parameters
    ----------
    dataset : Dataset
    mark : str
        Changes with the data.
    field : str
        Which field names them.

    Yields
    ------
    (int, str, list of float or None)
        The box is west, south, east, north in degrees, roughly: to show where it is.

    Raises
    ------
    DatasetError
        If the layer cannot be read.
    """
    crs = pyproj.CRS.from_user_input(dataset.crs)
    route = route_to(None, crs, parse_crs(CRS84), dataset.bounds)
    after: int | None = BEGINNING
    while after is not None:
        page = read_page(dataset, mark, Wanted(limit=_AT_A_TIME, after=after))
        for part in page.parts:
            yield from _named(part, field, route)
        after = page.next_after


def _named(
    part: Features, field: str, route: Route
) -> Iterator[tuple[int, str, list[float] | None]]:
    names = part.attributes.column(field).to_pylist()
    boxes = _boxes(shapely.bounds(part.geometries), route)
    for number, name, box in zip(part.ids, names, boxes, strict=True):
        if name is not None and np.isfinite(box).all():
            yield int(number), str(name), [round(float(edge), 6) for edge in box]


def _boxes(bounds: Any, route: Route) -> Any:
    west, south, east, north = bounds.T
    x = np.stack([west + (east - west) * at for at, _ in _PLACES])
    y = np.stack([south + (north - south) * at for _, at in _PLACES])
    moved = route.moved(np.column_stack([x.ravel(), y.ravel()]))
    lon, lat = moved.T.reshape(2, *x.shape)
    return np.column_stack([lon.min(0), lat.min(0), lon.max(0), lat.max(0)])
