"""Coordinate operations: the best that can be used between two CRSs, and how well it is known."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyproj
from pyproj.enums import TransformDirection
from pyproj.exceptions import ProjError
from pyproj.transformer import AreaOfInterest, TransformerGroup

_HUB = pyproj.CRS.from_authority("OGC", "CRS84")
_HUB_IN_EPSG = pyproj.CRS.from_epsg(4326)
# Datums differ by up to about a kilometre (EPSG Guidance Note 7-2: some hundreds of metres are
# usual); a ballpark operation leaves that out.
BALLPARK_METRES = 1_000
# Neighbouring requests share operations that were found before: finding one takes up to 0.3 s.
_KEPT = 256

Array = np.ndarray[Any, Any]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Operation:
    """A way to move positions between two CRSs, x before y on both sides.

    ``accuracy_m`` is what the registry states, None where it states nothing. A ballpark operation
    leaves out the shift between two datums, for none is known. ``better`` describes an operation
    that is more accurate but needs a grid that is not installed; empty where there is none.
    """

    steps: tuple[tuple[pyproj.Transformer, bool], ...]
    name: str
    accuracy_m: float | None
    is_ballpark: bool
    better: str

    @property
    def shifts(self) -> bool:
        """Whether it changes the datum, rather than only the projection, the units or the axes."""
        return self.is_ballpark or self.accuracy_m != 0

    def move(self, positions: Array, *, back: bool = False) -> Array:
        """Return positions, shape (n, 2), moved forth or back; infinite where there is no way."""
        x, y = positions[:, 0], positions[:, 1]
        for transformer, is_turned in reversed(self.steps) if back else self.steps:
            way = TransformDirection.INVERSE if back != is_turned else TransformDirection.FORWARD
            try:
                x, y = transformer.transform(x, y, direction=way, errcheck=False)
            except ProjError:
                return np.full(positions.shape, math.inf)
        return np.column_stack([x, y])


def find_operation(source: pyproj.CRS, target: pyproj.CRS, region: Box | None) -> Operation:
    """Return the best operation that can be used, by PROJ's order for a region.

    A ballpark operation is taken only where there is no other: neither for the region, nor for
    elsewhere, nor by way of WGS 84.

    Parameters
    ----------
    source, target : pyproj.CRS
        Without heights: see ``horizontal``.
    region : tuple of float or None
        (west, south, east, north) in degrees; west is larger than east across 180 degrees.
    """
    return _find(source, target, None if region is None else _rounded(region))


def horizontal(crs: pyproj.CRS) -> pyproj.CRS:
    """Return a CRS without its heights, which are never moved.

    With them, PROJ may prefer operations that keep the height and lose the datum: of EPSG:7415
    to EPSG:4326 the first is a ballpark one, 65 m off.
    """
    if crs.is_compound:
        crs = crs.sub_crs_list[0]
    return crs.to_2d()


def geographic(crs: pyproj.CRS) -> pyproj.CRS:
    """Return the longitudes and latitudes on which a CRS without heights is built."""
    if crs.is_bound:
        return crs.target_crs.to_2d() if crs.target_crs else _HUB
    base = crs.geodetic_crs
    return _HUB if base is None or not base.is_geographic else base.to_2d()


def _rounded(region: Box) -> Box:
    """Return whole degrees around a region, so that close ones share what was found."""
    west, south, east, north = region
    return (
        max(math.floor(west), -180),
        max(math.floor(south), -90),
        min(math.ceil(east), 180),
        min(math.ceil(north), 90),
    )


@lru_cache(maxsize=_KEPT)
def _find(source: pyproj.CRS, target: pyproj.CRS, region: Box | None) -> Operation:
    if source.equals(target, ignore_axis_order=True):
        return Operation((), "", 0.0, False, "")
    near, anywhere = (_group(source, target, where) for where in (region, None))
    for group in (near, anywhere):
        if group is not None and group.transformers:
            return _of_group(group, region)
    by_hub = _through_hub(source, target, region)
    if by_hub is not None:
        return by_hub
    return _ballpark(source, target, _better(near, None))


def _group(source: pyproj.CRS, target: pyproj.CRS, region: Box | None) -> TransformerGroup | None:
    """Return the operations between two CRSs, None where there is none."""
    with warnings.catch_warnings():
        # That a better operation exists whose grid is not installed is told in the report.
        warnings.simplefilter("ignore")
        try:
            return TransformerGroup(
                source,
                target,
                always_xy=True,
                area_of_interest=AreaOfInterest(*region) if region else None,
                allow_ballpark=False,
            )
        except IndexError:
            # pyproj 3.7 looks for the first of none, for instance from EPSG:9006.
            return None


def _of_group(group: TransformerGroup, region: Box | None) -> Operation:
    best = group.transformers[0]
    accuracy = best.accuracy if best.accuracy is not None and best.accuracy >= 0 else None
    better = _better(group, accuracy) if region else ""
    return Operation(((best, False),), _plain_name(best.description), accuracy, False, better)


def _better(group: TransformerGroup | None, accuracy: float | None) -> str:
    """Describe the most accurate operation that needs a grid which is not installed."""
    found = [
        operation
        for operation in (group.unavailable_operations if group else ())
        if operation.accuracy >= 0 and (accuracy is None or operation.accuracy < accuracy)
    ]
    if not found:
        return ""
    best = min(found, key=lambda operation: float(operation.accuracy))
    grids = ", ".join(sorted({grid.short_name for grid in best.grids}))
    return f"{_plain_name(best.name)}, {best.accuracy:g} m, which needs {grids}"


def _through_hub(source: pyproj.CRS, target: pyproj.CRS, region: Box | None) -> Operation | None:
    if source.equals(_HUB) or target.equals(_HUB):
        return None
    there, back = (_find(crs, _HUB, region) for crs in (source, target))
    if there.is_ballpark or back.is_ballpark:
        return None
    known = [leg.accuracy_m for leg in (there, back)]
    return Operation(
        (*there.steps, *((step, not is_turned) for step, is_turned in reversed(back.steps))),
        f"{there.name} + Inverse of {back.name}",
        None if None in known else sum(accuracy or 0.0 for accuracy in known),
        False,
        there.better or back.better,
    )


def _ballpark(source: pyproj.CRS, target: pyproj.CRS, better: str) -> Operation:
    # From EPSG:9006 to OGC:CRS84 PROJ makes one that moves nothing; to the same degrees by their
    # other name it makes one that does.
    start, end = (_HUB_IN_EPSG if crs.equals(_HUB) else crs for crs in (source, target))
    transformer = pyproj.Transformer.from_crs(start, end, always_xy=True)
    # Where PROJ would choose between several at each position, there is no description.
    name = f"Ballpark geographic offset from {source.name} to {target.name}"
    return Operation(((transformer, False),), name, None, True, better)


def _plain_name(name: str) -> str:
    """Return a name without what PROJ does to the order of axes."""
    parts = [part for part in name.split(" + ") if not part.startswith("axis order change")]
    return " + ".join(parts)
