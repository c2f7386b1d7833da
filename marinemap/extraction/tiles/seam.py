"""Features across 180 degrees, drawn on both sides of the map; round a pole, filled to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import shapely
from shapely import affinity

from marinemap.extraction.tiles.shapes import LINE, POINT, POLYGON, Shapes, from_geometries

# So far beyond 180 degrees, as a share of the world, the map's other side is drawn as well: a
# tile holds as much beyond its edge, and no stroke is seen where nothing ends.
_BEYOND_SHARE = 64

Array = np.ndarray[Any, Any]


def sewn(shapes: Shapes, world: int) -> Iterator[Shapes]:
    """Yield features, those with edges from one side of the map to the other put right.

    Parameters
    ----------
    shapes : Shapes
        In units of the world, long edges followed: one of half a world is none of the layer's
        own, but was torn at 180 degrees.
    world : int
        How wide the world is.
    """
    turns = np.zeros(0, int) if shapes.kind == POINT else _turns(shapes, world)
    if not turns.any():
        yield shapes
        return
    is_torn = np.logical_or.reduceat(turns != 0, shapes.offsets[shapes.starts[:-1]])
    if not is_torn.all():
        yield shapes.take(np.flatnonzero(~is_torn))
    mended = [_mended(shapes, turns, torn, world) for torn in np.flatnonzero(is_torn).tolist()]
    for found in from_geometries(np.array(mended, object), shapes.ids[is_torn]):
        if found.kind == shapes.kind:
            yield found


def _turns(shapes: Shapes, world: int) -> Array:
    """Return how many worlds each edge leaps back or on; a ring's last one leads to its first."""
    x, y = shapes.xy.T
    after = np.arange(1, len(x) + 1)
    lasts = shapes.offsets[1:] - 1
    after[lasts] = shapes.offsets[:-1] if shapes.kind == POLYGON else lasts
    # Along a pole, which lies at infinity, an edge may lead round the world.
    is_there = (x >= 0) & (x <= world) & (y > -world) & (y < 2 * world - 1)
    leaps = np.where(is_there & is_there[after], x[after] - x, 0)
    turns: Array = -np.rint(leaps / world).astype(int)
    return turns


def _mended(shapes: Shapes, turns: Array, feature: int, world: int) -> shapely.Geometry:
    parts: list[shapely.Geometry] = []
    holes: list[list[shapely.Geometry]] = []
    for part in range(shapes.starts[feature], shapes.starts[feature + 1]):
        drawn = _everywhere(_run_on(shapes, turns, part, world), world)
        if shapes.holes[part]:
            holes[-1].append(drawn)
        else:
            parts.append(drawn)
            holes.append([])
    return shapely.GeometryCollection(
        [
            shapely.difference(each, shapely.union_all(within)) if within else each
            for each, within in zip(parts, holes, strict=True)
        ]
    )


def _run_on(shapes: Shapes, turns: Array, part: int, world: int) -> shapely.Geometry:
    """Return a line, or what a ring encloses, as it runs on beyond 180 degrees."""
    run = slice(shapes.offsets[part], shapes.offsets[part + 1])
    on = np.concatenate([[0], np.cumsum(turns[run])])
    xy = shapes.xy[run] + np.column_stack([on[:-1] * world, np.zeros(len(on) - 1, int)])
    if shapes.kind == LINE:
        return shapely.LineString(xy)
    return _polygon(xy, int(on[-1]), world)


def _polygon(xy: Array, times: int, world: int) -> shapely.Geometry:
    """Return what a ring encloses; of one that goes round a pole, all up to that."""
    if times:
        end = xy[0] + [times * world, 0]
        pole = -world if xy[:, 1].mean() < world / 2 else 2 * world
        xy = np.vstack([xy, end, [end[0], pole], [xy[0][0], pole]])
    # On the grid a ring may touch itself.
    valid: shapely.Geometry = shapely.make_valid(shapely.Polygon(xy), method="structure")
    return valid


def _everywhere(geometry: shapely.Geometry, world: int) -> shapely.Geometry:
    """Return what of a geometry the map shows: it goes on at its other side."""
    beyond = world // _BEYOND_SHARE
    west, _, east, _ = shapely.bounds(geometry)
    if np.isnan(west):
        return geometry
    turns = range(int((west - beyond) // world), int((east + beyond) // world) + 1)
    moved = [affinity.translate(geometry, -turn * world) for turn in turns]
    box = (-beyond, -beyond, world + beyond, world + beyond)
    return shapely.union_all(shapely.clip_by_rect(np.array(moved, object), *box))
