"""Coordinate operations: the best that can be used between two CRSs, and how well it is known."""

from __future__ import annotations

import math
import re
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
import pyproj
from pyproj.enums import TransformDirection
from pyproj.exceptions import ProjError
from pyproj.transformer import AreaOfInterest, TransformerGroup

from marinemap.sentences import say

# One name of WGS 84 for all: of OGC:CRS84, the same degrees, PROJ finds other operations, those of
# other registries among them, which lead elsewhere by a metre, and takes five times as long.
_HUB = pyproj.CRS.from_epsg(4326)
# Datums differ by up to about a kilometre (EPSG Guidance Note 7-2: some hundreds of metres are
# usual); a ballpark operation leaves that out.
BALLPARK_METRES = 1_000
# Neighbouring requests share what was found before: finding it takes up to 0.8 s. All operations
# from NAD27 take 0.8 MB.
_KEPT = 64
# What PROJ calls an operation that leaves out the shift between two datums.
_BALLPARK = "Ballpark"
_SHIFT = re.compile("helmert|molodensky|molobadekas|gridshift|deformation|affine")
# So many positions each way are looked at of a region, and on each edge of a box.
_GRID, _EDGE_CORNERS = 33, 101

Array = np.ndarray[Any, Any]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Operation:
    """A way to move positions between two CRSs, x before y on both sides.

    ``accuracy_m`` is what the registry states, None where it states nothing. A ballpark operation
    leaves out the shift between two datums, for none is known. ``better`` describes an operation
    that is more accurate but needs a grid that is not installed; empty where there is none.
    ``uses`` are the boxes (west, south, east, north) in degrees that its steps are made for, west
    beyond east across 180 degrees; none where the registry states none.
    """

    steps: tuple[tuple[pyproj.Transformer, bool], ...]
    name: str
    accuracy_m: float | None
    is_ballpark: bool
    better: str
    uses: tuple[Box, ...] = ()

    @property
    def shifts(self) -> bool:
        """Whether it changes the datum, rather than only the projection, the units or the axes."""
        if self.is_ballpark or self.accuracy_m != 0:
            return True
        # Some shifts define a datum, and are exact by that: of QND95 (Qatar) one by 327 m.
        return any(_SHIFT.search(transformer.definition) for transformer, _ in self.steps)

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

    def move_box(self, box: Box, *, back: bool = False) -> Box | None:
        """Return a box (minx, miny, maxx, maxy) around all that lies in one; None where none is.

        Of longitudes the first is larger than the third across 180 degrees.
        """
        for transformer, is_turned in reversed(self.steps) if back else self.steps:
            way = TransformDirection.INVERSE if back != is_turned else TransformDirection.FORWARD
            try:
                box = transformer.transform_bounds(*box, densify_pts=_EDGE_CORNERS, direction=way)
            except ProjError:
                return None
        return box if np.isfinite(box).all() else None

    def is_made_for(self, places: Array) -> Array:
        """Tell of places in degrees, shape (n, 2), whether they lie in all areas of use."""
        inside = np.ones(len(places), bool)
        for west, south, east, north in self.uses:
            width = 360.0 if east - west >= 360 else (east - west) % 360
            inside &= ((places[:, 0] - west) % 360 <= width) | (width == 360)
            inside &= (places[:, 1] >= south) & (places[:, 1] <= north)
        return inside


def find_operation(source: pyproj.CRS, target: pyproj.CRS, region: Box | None) -> Operation:
    """Return the best operation that can be used, by PROJ's order for a region.

    Of several that are made for all of the region the most accurate is taken, the first of all
    where none is. A ballpark operation is taken only where there is no other: neither for the
    region, nor for elsewhere, nor by way of WGS 84.

    Parameters
    ----------
    source, target : pyproj.CRS
        Without heights: see ``horizontal``.
    region : tuple of float or None
        (west, south, east, north) in degrees; west is larger than east across 180 degrees.
    """
    around = None if region is None else _rounded(region)
    # pyproj's group of operations is not to be used by two threads at a time.
    found = _find(_named(source), _named(target), around, threading.get_ident())
    best = found.operations[0]
    if region is not None:
        places = grid_of(region)
        # PROJ was asked for somewhat more, and prefers what is made for all of that.
        made = (each for each in found.operations if each.is_made_for(places).all())
        best = min(made, key=_uncertainty, default=best)
    return replace(best, better=best.better or _better(found.missing, best.accuracy_m))


def projs_choice(source: pyproj.CRS, target: pyproj.CRS) -> Operation:
    """Return the operation that PROJ makes, which differs from place to place."""
    return _projs_choice(_named(source), _named(target), threading.get_ident())


def grid_of(region: Box, each_way: int = _GRID) -> Array:
    """Return positions all over a region in degrees, so many each way, its corners among them."""
    west, south, east, north = region
    x = np.linspace(west, east if west <= east else east + 360, each_way)
    y = np.linspace(south, north, each_way)
    return np.column_stack([axis.ravel() for axis in np.meshgrid(x, y)])


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


def _uncertainty(operation: Operation) -> float:
    return math.inf if operation.accuracy_m is None else operation.accuracy_m


def _rounded(region: Box) -> Box:
    """Return whole degrees around a region, so that close ones share what was found."""
    west, south, east, north = region
    return (
        max(math.floor(west), -180),
        max(math.floor(south), -90),
        min(math.ceil(east), 180),
        min(math.ceil(north), 90),
    )


@dataclass(frozen=True)
class _Found:
    """Operations in PROJ's order, those whose grids are not installed, and a ballpark one."""

    operations: tuple[Operation, ...]
    missing: tuple[Any, ...] = ()
    ballpark: Operation | None = None


@lru_cache(maxsize=_KEPT)
def _find(source: pyproj.CRS, target: pyproj.CRS, region: Box | None, thread: int) -> _Found:
    if source.equals(target, ignore_axis_order=True):
        return _Found((Operation((), "", 0.0, False, ""),))
    near = _search(source, target, region)
    for found in chain([near], _others(source, target, region, thread)):
        if found.operations:
            return replace(found, missing=near.missing)
    by_hub = _through_hub(source, target, region)
    if by_hub is not None:
        return _Found((by_hub,))
    return _Found((near.ballpark or _projs_choice(source, target, thread),), near.missing)


def _others(
    source: pyproj.CRS, target: pyproj.CRS, region: Box | None, thread: int
) -> Iterator[_Found]:
    """Search elsewhere; EPSG's come first, so that a datum has those of one registry."""
    yield _anywhere(source, target, None, thread)
    yield _search(source, target, region, "any")
    yield _anywhere(source, target, "any", thread)


@lru_cache(maxsize=_KEPT)
def _anywhere(source: pyproj.CRS, target: pyproj.CRS, authority: str | None, thread: int) -> _Found:
    # Such a search is long where nothing is found, and the same for all regions.
    return _search(source, target, None, authority)


@lru_cache(maxsize=_KEPT)
def _projs_choice(source: pyproj.CRS, target: pyproj.CRS, thread: int) -> Operation:
    transformer = pyproj.Transformer.from_crs(source, target, always_xy=True)
    # Where PROJ would choose between several at each position, there is no description.
    return _ballpark(
        transformer, f"{_BALLPARK} geographic offset from {source.name} to {target.name}"
    )


def _search(
    source: pyproj.CRS, target: pyproj.CRS, region: Box | None, authority: str | None = None
) -> _Found:
    """Return the operations for a region; none where PROJ finds none.

    The ballpark ones are found by the same search: another for them would take as long.
    """
    with warnings.catch_warnings():
        # That a better operation exists whose grid is not installed is told in the report.
        warnings.simplefilter("ignore")
        try:
            group = TransformerGroup(
                source,
                target,
                always_xy=True,
                area_of_interest=AreaOfInterest(*region) if region else None,
                authority=authority,
            )
        except (IndexError, ProjError):
            # pyproj 3.7 looks for the first of none, for instance from EPSG:9006 of any authority.
            return _Found(())
    sound = [each for each in group.transformers if _BALLPARK not in each.description]
    rough = [each for each in group.transformers if _BALLPARK in each.description]
    return _Found(
        tuple(_of_transformer(each) for each in sound),
        tuple(group.unavailable_operations) if region else (),
        _ballpark(rough[0], _plain_name(rough[0].description)) if rough else None,
    )


def _named(crs: pyproj.CRS) -> pyproj.CRS:
    """Return WGS 84 by one name, whichever it came by."""
    return _HUB if crs.equals(_HUB, ignore_axis_order=True) else crs


def _of_transformer(found: pyproj.Transformer) -> Operation:
    accuracy = found.accuracy if found.accuracy is not None and found.accuracy >= 0 else None
    use = found.area_of_use
    uses = () if use is None else (use.bounds,)
    return Operation(((found, False),), _plain_name(found.description), accuracy, False, "", uses)


def _better(missing: tuple[Any, ...], accuracy: float | None) -> str:
    """Describe the most accurate operation that needs a grid which is not installed."""
    found = [
        operation
        for operation in missing
        if operation.accuracy >= 0 and (accuracy is None or operation.accuracy < accuracy)
    ]
    if not found:
        return ""
    best = min(found, key=lambda operation: float(operation.accuracy))
    grids = ", ".join(sorted({grid.short_name for grid in best.grids}))
    return say(
        "{operation}, {metres:g} m, which needs {grids}",
        operation=_plain_name(best.name),
        metres=best.accuracy,
        grids=grids,
    )


def _through_hub(source: pyproj.CRS, target: pyproj.CRS, region: Box | None) -> Operation | None:
    if _HUB in (source, target):
        return None
    there, back = (find_operation(crs, _HUB, region) for crs in (source, target))
    if there.is_ballpark or back.is_ballpark:
        return None
    known = [leg.accuracy_m for leg in (there, back)]
    return Operation(
        (*there.steps, *((step, not is_turned) for step, is_turned in reversed(back.steps))),
        f"{there.name} + Inverse of {back.name}",
        None if None in known else sum(accuracy or 0.0 for accuracy in known),
        False,
        there.better or back.better,
        (*there.uses, *back.uses),
    )


def _ballpark(transformer: pyproj.Transformer, name: str) -> Operation:
    return Operation(((transformer, False),), name, None, True, "")


def _plain_name(name: str) -> str:
    """Return a name without what PROJ does to the order of axes."""
    parts = [part for part in name.split(" + ") if not part.startswith("axis order change")]
    return " + ".join(parts)
