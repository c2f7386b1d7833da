"""Join and repair the outlines of an area, in a time that no request can stretch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import shapely

from marinemap.errors import RequestError
from marinemap.extraction.geometry.surface import edges_of
from marinemap.sentences import say

# Every operation on an outline compares edges whose boxes meet. A coast's edge meets a few; the
# teeth of a slanting comb all meet one another: with 20,000 of them GEOS takes 30 s to call the
# outline valid.
_MAX_MEETINGS = 10_000_000
# Bent by a projection, the teeth of any comb slant: 20 to 50 ns each on the way through GEOS.
_MAX_BENT_MEETINGS = 500_000_000
_MANY_EDGES, _LOOKED_AT = 2_000, 200
# Two combs that cross at right angles, each of 4,000 corners, take a minute to be joined.
_MAX_JOINED_CROSSINGS = 50_000
# Repairing takes time with the square of the crossings: a star of 1,001 corners took 19 s. An
# outline drawn or digitised by a person has a handful.
_MAX_CROSSINGS = 5_000

Array = np.ndarray[Any, Any]


def join_outlines(polygons: Sequence[Any], field: str) -> Any:
    """Return polygons as one geometry, which is not valid only if one of them is not.

    Raises
    ------
    RequestError
        If their edges meet or cross so often that no request could wait for it.
    """
    joined = polygons[0] if len(polygons) == 1 else shapely.multipolygons(polygons)
    _check_meetings(joined, field)
    # Features of a collection may overlap, which is no mistake; but a union adds corners
    # where edges cross, so it is taken only where it is needed.
    if len(polygons) == 1 or shapely.is_valid(joined) or not shapely.is_valid(polygons).all():
        return joined
    _check_crossings(joined, field, _MAX_JOINED_CROSSINGS)
    return shapely.union_all(polygons)


def repair_outline(geometry: Any, field: str) -> Any:
    """Return a valid geometry of what a crossing outline encloses.

    Parameters
    ----------
    geometry : shapely Polygon or MultiPolygon
        Not valid.
    field : str
        The name of the input, for the message.

    Raises
    ------
    RequestError
        If it crosses itself too often to be repaired in good time.
    """
    _check_crossings(geometry, field, _MAX_CROSSINGS)
    # The linework method takes seconds on a star of a hundred corners; structure does not.
    return shapely.make_valid(geometry, method="structure")


def check_bent(geometry: Any, field: str, where: str) -> None:
    """Refuse an outline, as a CRS bends it, that no operation would get through in good time.

    Parameters
    ----------
    geometry : shapely Polygon or MultiPolygon
        In that CRS.
    field : str
        The name of the input, for the message.
    where : str
        What to call the CRS in the message.

    Raises
    ------
    RequestError
        If its edges lie so close and so far along one another.
    """
    _check_meetings(geometry, field, _MAX_BENT_MEETINGS, say(" in {crs}", crs=where))


def _check_meetings(geometry: Any, field: str, most: int = _MAX_MEETINGS, where: str = "") -> None:
    """Refuse an outline whose edges lie in one another's boxes too often, by a look at some."""
    if shapely.get_num_coordinates(geometry) < _MANY_EDGES:
        return
    begins, ends = edges_of(geometry)
    if _meetings(begins, ends) > most:
        raise RequestError(
            say(
                "the outline of the area is tangled: its edges lie across one another "
                "more than {most:,} times{where}",
                most=most,
                where=where,
            ),
            field=field,
            value=f"{len(begins)} edges",
            hint=say("Simplify it, or cut it into several requests."),
        )


def _meetings(begins: Array, ends: Array) -> int:
    """Count about how often an edge lies in another's box.

    On arrays, which hold up no other thread: a tree of a million edges takes a second to build.
    """
    low, high = np.minimum(begins, ends), np.maximum(begins, ends)
    (west, south), (east, north) = np.ascontiguousarray(low.T), np.ascontiguousarray(high.T)
    every = max(1, len(begins) // _LOOKED_AT)
    found = 0
    for number in range(0, len(begins), every):
        beside = (west <= east[number]) & (east >= west[number])
        beside &= (south <= north[number]) & (north >= south[number])
        found += int(beside.sum())
    return found * every


def _check_crossings(geometry: Any, field: str, most: int) -> None:
    """Refuse an outline that crosses itself too often to be worked on in good time."""
    edges = _edges(geometry)
    crossings = 0
    for pairs in _pairs(edges, edges, "crosses"):
        crossings += pairs // 2
        if crossings > most:
            raise RequestError(
                say("the outline of the area crosses itself more than {most:,} times", most=most),
                field=field,
                value=f"{len(edges)} edges",
                hint=say('Repair it in a GIS ("fix geometries"), or draw it anew.'),
            )


def _pairs(edges: Any, looked_at: Any, predicate: Any) -> Iterator[int]:
    """Yield numbers of pairs, in pieces: a hostile outline fills neither memory nor time."""
    tree = shapely.STRtree(edges)
    most = max(1, 2_000_000 // len(edges))
    start, piece = 0, max(1, most // 50)
    while start < len(looked_at):
        yield tree.query(looked_at[start : start + piece], predicate=predicate).shape[1]
        start, piece = start + piece, min(2 * piece, most)


def _edges(geometry: Any) -> Any:
    rings = shapely.get_rings(shapely.get_parts(geometry))
    corners, ring = shapely.get_coordinates(rings, return_index=True)
    same = ring[1:] == ring[:-1]
    return shapely.linestrings(np.stack([corners[:-1][same], corners[1:][same]], axis=1))
