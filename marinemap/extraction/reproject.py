"""Move geometries from one CRS to another, bending long edges as they run there."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pyproj
import shapely
from pyproj.transformer import AreaOfInterest, TransformerGroup

from marinemap.extraction.crs import is_same_crs, mover

# An edge is bent when its middle lies further off the straight line than this share of its
# length: a thousandth is less than a map shows.
_STRAIGHT_ENOUGH = 1e-3
_PIECES = 32
_MAX_ADDED_CORNERS = 100_000

Geometries = np.ndarray[Any, Any]


class Reprojection:
    """The best available way from one CRS to another.

    Parameters
    ----------
    source, target : pyproj.CRS
    bounds_4326 : tuple of float
        (west, south, east, north) in degrees: where the data lie, for the best datum shift
        differs from place to place.
    """

    def __init__(
        self, source: pyproj.CRS, target: pyproj.CRS, bounds_4326: tuple[float, float, float, float]
    ) -> None:
        self._target = target
        self.is_needed = not is_same_crs(source, target)
        if self.is_needed:
            self._transformer, self._best_available = _best(source, target, bounds_4326)

    @property
    def name(self) -> str:
        """How positions are moved, for the report; empty where they are not."""
        if not self.is_needed:
            return ""
        accuracy = self._transformer.accuracy
        stated = f"accuracy {accuracy:g} m" if accuracy is not None and accuracy >= 0 else ""
        missing = "" if self._best_available else "a better one needs a grid that is not installed"
        notes = "; ".join(note for note in (stated, missing) if note)
        name = self._transformer.description
        return f"{name} ({notes})" if notes else str(name)

    def move(self, geometries: Geometries) -> Geometries:
        """Return geometries in the target CRS, x before y on both sides; heights stay.

        Raises
        ------
        RequestError
            If a position has no finite coordinates in the target CRS.
        """
        if not self.is_needed:
            return geometries
        bent = self._bent(geometries)
        if bent.any():
            geometries = geometries.copy()
            geometries[bent] = _densified(geometries[bent])
        moved = geometries.copy()
        high = shapely.has_z(geometries)
        move = mover(self._transformer, self._target)
        moved[~high] = shapely.transform(geometries[~high], move)
        moved[high] = shapely.transform(
            geometries[high],
            lambda xyz: np.column_stack([move(xyz[:, :2]), xyz[:, 2]]),
            include_z=True,
        )
        return moved

    def _bent(self, geometries: Geometries) -> Geometries:
        """Tell which geometries have an edge that is no straight line in the target CRS."""
        positions, owners = shapely.get_coordinates(geometries, return_index=True)
        begins, ends = positions[:-1], positions[1:]
        move = mover(self._transformer, self._target)
        moved = move(positions)
        middles = move((begins + ends) / 2)
        off = np.hypot(*(middles - (moved[:-1] + moved[1:]) / 2).T)
        length = np.hypot(*(moved[1:] - moved[:-1]).T)
        edge = (owners[1:] == owners[:-1]) & (off > _STRAIGHT_ENOUGH * length)
        bent = np.zeros(len(geometries), bool)
        bent[owners[1:][edge]] = True
        return bent & (shapely.get_dimensions(geometries) > 0)


def _densified(geometries: Geometries) -> Geometries:
    bounds = shapely.bounds(geometries)
    extent = np.maximum(bounds[:, 2] - bounds[:, 0], bounds[:, 3] - bounds[:, 1])
    step = np.maximum(extent / _PIECES, shapely.length(geometries) / _MAX_ADDED_CORNERS)
    dense: Geometries = shapely.segmentize(geometries, np.maximum(step, 1e-9))
    return dense


def _best(
    source: pyproj.CRS, target: pyproj.CRS, bounds_4326: tuple[float, float, float, float]
) -> tuple[pyproj.Transformer, bool]:
    """Return the best transformer that can be used, and whether it is the best there is."""
    with warnings.catch_warnings():
        # That a better shift exists whose grid is not installed is told in the name.
        warnings.simplefilter("ignore")
        group = TransformerGroup(
            source, target, always_xy=True, area_of_interest=AreaOfInterest(*bounds_4326)
        )
    if group.transformers:
        return group.transformers[0], group.best_available
    return pyproj.Transformer.from_crs(source, target, always_xy=True), True
