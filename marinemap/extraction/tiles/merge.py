"""Where features are too many to be told apart: outlines that fill as much of each place as they.

Scattered spots, the same for every tile, grow with the covered share around them until they have
that share of the map: all of it where a layer is seamless, nothing of the open sea, and half of it
where features cover one half. Where full meets empty, as on a shore, there are no spots.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import contourpy
import numpy as np
import shapely

from marinemap.extraction.tiles.coverage import PLACE_BITS, SIDE, Coverage
from marinemap.extraction.tiles.encode import NO_ID
from marinemap.extraction.tiles.generalise import on_grid
from marinemap.extraction.tiles.shapes import POLYGON, Shapes, nothing

# Beyond the edge of a tile, in places: what is drawn there, and what is looked at for it.
_BUFFER, _REACH = 4, 4
_MARGIN = _BUFFER + 2 + _REACH
# So many places from spot to spot: eight pixels.
_SPOT = 4
# How far from its place a spot may lie, in shares of that: a lattice would show as one.
_JITTER = 0.3
_BETWEEN, _LEVELS = 4, 100
# How much of the surroundings of a straight edge is neither full nor empty.
_OF_AN_EDGE = 0.2
# Of what is scattered more thinly no outline would be true; what is nearly full is full.
_LEAST_COVERED, _NEARLY_FULL = 0.06, 0.97

_FLAT = contourpy.FillType.ChunkCombinedOffsetOffset

Array = np.ndarray[Any, Any]


def merged(coverage: Coverage, zoom: int, column: int, row: int, bits: int) -> Shapes:
    """Return the outlines of a tile that stand for what is merged there, as one feature or none.

    Parameters
    ----------
    coverage : Coverage
    zoom, column, row : int
    bits : int
        The outlines are in units of the zoom's grid, of which a tile has ``2 ** bits``.
    """
    shares = _means(coverage.around(zoom, column, row, _MARGIN), 1)
    mixed = _mixed(shares)
    shares = shares[_REACH:-_REACH, _REACH:-_REACH]
    pattern = np.pad(_pattern(), _BUFFER + 1, mode="wrap")
    spots = np.interp(shares, np.linspace(0, 1, _LEVELS + 1), _levels()) - pattern
    height = mixed * spots + (1 - mixed) * (shares - 0.5)
    height[shares < _LEAST_COVERED] = -1.0
    height[shares > _NEARLY_FULL] = 1.0
    contours: Any = contourpy.contour_generator(z=height, fill_type=_FLAT)
    ((positions,), (offsets,), (outer,)) = contours.filled(0.0, np.inf)
    if positions is None:
        return nothing(POLYGON)
    unit = 1 << (bits - PLACE_BITS)
    corner = np.array([column, row], np.int64) << bits
    # A place's value is its middle's.
    begin = 0.5 - (_BUFFER + 1)
    xy = np.rint((positions + begin) * unit).astype(np.int64) + corner
    return on_grid(_as_shapes(xy, offsets.astype(np.int64), outer), 0)


def _as_shapes(xy: Array, offsets: Array, outer: Array) -> Shapes:
    """Return rings that end where they begin as one feature."""
    is_last = np.zeros(len(xy), bool)
    is_last[offsets[1:] - 1] = True
    holes = np.ones(len(offsets) - 1, bool)
    holes[outer[:-1]] = False
    counts = np.arange(len(offsets))
    return Shapes(
        POLYGON, xy[~is_last], offsets - counts, holes, counts[[0, -1]], np.array([NO_ID])
    )


@cache
def _pattern() -> Array:
    """Return how far each place is from the nearest of some scattered spots.

    It continues at the other side, so that tiles laid side by side show no edge.
    """
    chance = np.random.default_rng(1)
    count = SIDE // _SPOT
    spots = np.stack(np.meshgrid(np.arange(count), np.arange(count)), axis=-1).reshape(-1, 2) + 0.5
    # Every other row between the spots of its neighbours.
    spots[:, 0] += spots[:, 1] // 1 % 2 / 2
    spots = (spots + chance.uniform(-_JITTER, _JITTER, spots.shape)) * _SPOT
    around = [spots + [x, y] for x in (-SIDE, 0, SIDE) for y in (-SIDE, 0, SIDE)]
    tree = shapely.STRtree(np.asarray(shapely.points(np.concatenate(around))))
    places = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE)), axis=-1).reshape(-1, 2) + 0.5
    _, distances = tree.query_nearest(
        shapely.points(places), all_matches=False, return_distance=True
    )
    pattern: Array = distances.reshape(SIDE, SIDE)
    return pattern


@cache
def _levels() -> Array:
    """Return below which value of the pattern each hundredth of the map lies."""
    pattern = np.pad(_pattern(), ((0, 1), (0, 1)), mode="wrap")
    # A contour runs straight between places: between them the pattern is their mean.
    shares = (np.arange(_BETWEEN) + 0.5) / _BETWEEN
    rows = [pattern[:-1] + (pattern[1:] - pattern[:-1]) * share for share in shares]
    finer = [row[:, :-1] + (row[:, 1:] - row[:, :-1]) * share for row in rows for share in shares]
    levels: Array = np.quantile(np.concatenate(finer), np.linspace(0, 1, _LEVELS + 1))
    return levels


def _mixed(shares: Array) -> Array:
    """Tell (0 to 1) where features and gaps are mixed, in place of an edge between full and empty.

    Around an edge most places are one or the other, and the outline is where half is covered.
    """
    halves = _means(4 * shares * (1 - shares), _REACH)
    mixed: Array = np.clip((halves - _OF_AN_EDGE) / _OF_AN_EDGE, 0.0, 1.0)
    return mixed


def _means(shares: Array, reach: int) -> Array:
    """Return the mean of each place and its neighbours, without the outermost places."""
    width = 2 * reach + 1
    rows = np.lib.stride_tricks.sliding_window_view(shares, width, axis=0).mean(axis=-1)
    means: Array = np.lib.stride_tricks.sliding_window_view(rows, width, axis=1).mean(axis=-1)
    return means
