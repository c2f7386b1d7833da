"""Follow straight edges into another CRS, where they bend, to within a tolerance in metres.

An edge is halved until a chord lies close enough to each half. Where it is divided depends on its
two ends alone, taken in a fixed order: two features that share an edge share it afterwards, to the
last bit, whatever else they have and whichever way round they go.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyproj

# The middle and the quarters of an edge are looked at; between them an S-shaped edge may lie a
# thirtieth further off.
_SAFETY = 0.9
_MIDDLE_SHARE = 0.45
# Edges so long are halved unasked: a few positions do not tell how they run.
_LONGEST_METRES = 1e6
# Where an edge crosses what the target tears apart, or meets a pole, no chord is close enough.
_SHORTEST_METRES = 1e-3
EARTH_METRES = 6_378_137.0

Array = np.ndarray[Any, Any]
Move = Callable[[Array], Array]


@dataclass(frozen=True)
class Plane:
    """How long things are in a CRS: metres for each unit, and whether they shrink polewards."""

    metres: float
    is_geographic: bool

    @classmethod
    def of(cls, crs: pyproj.CRS) -> Plane:
        """Return the plane of a CRS; that of longitudes and latitudes is measured on the ground."""
        factor = crs.axis_info[0].unit_conversion_factor if crs.axis_info else 1.0
        if not crs.is_geographic:
            return cls(factor or 1.0, is_geographic=False)
        return cls((factor or np.radians(1)) * EARTH_METRES, is_geographic=True)

    def scale(self, begins: Array, ends: Array) -> Array:
        """Return metres for each unit along x and y, for edges given by their ends."""
        scale = np.full(begins.shape, self.metres)
        if self.is_geographic:
            latitude = (begins[:, 1] + ends[:, 1]) / 2 * self.metres / EARTH_METRES
            scale[:, 0] *= np.abs(np.cos(latitude))
        return scale


@dataclass(frozen=True)
class Bent:
    """Positions after a move, those added among them.

    ``starts`` tells where each part begins and the last one ends. ``torn`` are the parts with an
    edge that the target tears apart.
    """

    positions: Array
    starts: Array
    torn: Array


@dataclass(frozen=True)
class _Edges:
    """Edges under way: the numbers of those given, the share of the way at both ends, the ends
    in the source, the ends and the middle in the target."""

    numbers: Array
    low: Array
    high: Array
    begins: Array
    ends: Array
    moved_begins: Array
    moved_middles: Array
    moved_ends: Array

    def __len__(self) -> int:
        return len(self.numbers)

    def of(self, which: Array) -> _Edges:
        return _Edges(*(getattr(self, field.name)[which] for field in dataclasses.fields(self)))


class TooManyCorners(Exception):
    """More corners would have to be added than are allowed."""


def bend(
    positions: Array,
    starts: Array,
    move: Move,
    planes: tuple[Plane, Plane],
    tolerance_m: float,
    most: int | None = None,
) -> Bent:
    """Return lines or rings moved, with corners added where their edges bend.

    Parameters
    ----------
    positions : array of float, shape (n, 2 to 4)
        Parts laid end to end. What comes after x and y changes evenly along an edge.
    starts : array of int
        Where each part begins, and where the last one ends.
    move : callable
        Moves x and y, shape (n, 2). Each position by itself.
    planes : tuple of Plane
        Of the source and of the target.
    tolerance_m : float
        How far from its chord an edge may run, in metres of the target.
    most : int, optional
        The most corners that may be added.

    Raises
    ------
    TooManyCorners
        If more are needed.
    """
    xy = positions[:, :2]
    moved = move(xy)
    edges = _edges(xy, moved, starts, move)
    numbers, shares, added, torn = _halved(edges, move, planes, tolerance_m * _SAFETY, most)
    turned = _turned(xy, numbers)
    beside = _between(positions[:, 2:], numbers + turned, numbers + ~turned, shares)
    every = np.concatenate(
        [np.column_stack([moved, positions[:, 2:]]), np.column_stack([added, beside])]
    )
    owners = np.concatenate([np.arange(len(xy)), numbers])
    along = np.concatenate([np.zeros(len(xy)), np.where(turned, 1 - shares, shares)])
    before = np.searchsorted(np.sort(numbers), starts)
    parts = np.unique(np.searchsorted(starts, torn, side="right") - 1)
    return Bent(every[np.lexsort((along, owners))], starts + before, parts)


def _edges(xy: Array, moved: Array, starts: Array, move: Move) -> _Edges:
    """Return the edges, each from its lesser end to its greater one."""
    inner = np.ones(max(len(xy) - 1, 0), bool)
    inner[starts[1:-1] - 1] = False
    numbers = np.flatnonzero(inner & (xy[1:] != xy[:-1]).any(axis=1))
    turned = _turned(xy, numbers)
    begins, ends = numbers + turned, numbers + ~turned
    return _Edges(
        numbers,
        np.zeros(len(numbers)),
        np.ones(len(numbers)),
        xy[begins],
        xy[ends],
        moved[begins],
        move((xy[begins] + xy[ends]) / 2),
        moved[ends],
    )


def _turned(xy: Array, numbers: Array) -> Array:
    """Tell which edges run from their greater end to their lesser one."""
    begins, ends = xy[numbers], xy[numbers + 1]
    same = begins[:, 0] == ends[:, 0]
    turned: Array = np.where(same, begins[:, 1] > ends[:, 1], begins[:, 0] > ends[:, 0])
    return turned


def _halved(
    edges: _Edges, move: Move, planes: tuple[Plane, Plane], tolerance: float, most: int | None
) -> tuple[Array, Array, Array, Array]:
    """Return the corners to add: on which edge, at which share of its way, where; and the torn."""
    found = [(edges.numbers[:0], edges.low[:0], edges.begins[:0])]
    torn = [edges.numbers[:0]]
    total = 0
    while len(edges):
        quarters = [
            move((3 * edges.begins + edges.ends) / 4),
            move((edges.begins + 3 * edges.ends) / 4),
        ]
        bad, broken = _judged(edges, quarters, planes, tolerance)
        torn.append(edges.numbers[broken])
        total += int(bad.sum())
        if most is not None and total > most:
            raise TooManyCorners
        edges = edges.of(bad)
        middles = (edges.low + edges.high) / 2
        found.append((edges.numbers, middles, edges.moved_middles))
        edges = _children(edges, middles, [quarter[bad] for quarter in quarters])
    numbers, shares, added = (np.concatenate(column) for column in zip(*found, strict=True))
    return numbers, shares, added, np.concatenate(torn)


def _judged(
    edges: _Edges, quarters: list[Array], planes: tuple[Plane, Plane], tolerance: float
) -> tuple[Array, Array]:
    """Tell which edges must be halved, and which cannot be mended by it."""
    begins, ends = edges.moved_begins, edges.moved_ends
    scale = planes[1].scale(begins, ends)
    off, share = _distance(edges.moved_middles, begins, ends, scale)
    for quarter in quarters:
        off = np.maximum(off, _distance(quarter, begins, ends, scale)[0])
    # Torn apart along its own line an edge looks straight; its middle is then at one end.
    chord = np.hypot(*((ends - begins) * scale).T)
    off = np.where(np.abs(share - 0.5) > _MIDDLE_SHARE, np.maximum(off, chord), off)
    way = (edges.ends - edges.begins) * planes[0].scale(edges.begins, edges.ends)
    length = np.hypot(*way.T)
    # Without the shrinking towards a pole, where an edge along its parallel has no length.
    reach = np.abs((edges.ends - edges.begins) * planes[0].metres).max(axis=1)
    short = reach <= _SHORTEST_METRES
    bad = ((off > tolerance) | (length > _LONGEST_METRES)) & ~short
    return bad, (off > tolerance) & short


def _distance(looked_at: Array, begins: Array, ends: Array, scale: Array) -> tuple[Array, Array]:
    """Return how far positions lie from chords, in metres, and at which share of them."""
    way = (ends - begins) * scale
    to = (looked_at - begins) * scale
    square = np.maximum((way**2).sum(axis=1), np.finfo(float).tiny)
    share = np.clip((to * way).sum(axis=1) / square, 0, 1)
    return np.hypot(*(to - share[:, None] * way).T), share


def _children(edges: _Edges, middles: Array, quarters: list[Array]) -> _Edges:
    halves = (edges.begins + edges.ends) / 2
    pairs = [
        (edges.numbers, edges.numbers),
        (edges.low, middles),
        (middles, edges.high),
        (edges.begins, halves),
        (halves, edges.ends),
        (edges.moved_begins, edges.moved_middles),
        (quarters[0], quarters[1]),
        (edges.moved_middles, edges.moved_ends),
    ]
    return _Edges(*(np.concatenate(pair) for pair in pairs))


def _between(values: Array, begins: Array, ends: Array, shares: Array) -> Array:
    """Return heights and measures on the way from one position to another."""
    found: Array = values[begins] + (values[ends] - values[begins]) * shares[:, None]
    return found
