"""Cut geometries that cross 180 degrees, as RFC 7946 section 3.1.9 asks."""

import math
from collections.abc import Iterable, Sequence

import shapely
from shapely import LineString, MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

Position = tuple[float, float]


def unwrap(positions: Sequence[Position]) -> list[Position]:
    """Continue longitudes past 180 instead of jumping to the other edge of the map.

    A step of more than half the world is taken for a crossing of the antimeridian.
    """
    shift = 0.0
    unwrapped = [positions[0]]
    for (lon, lat), (previous, _) in zip(positions[1:], positions[:-1], strict=True):
        if abs(lon - previous) > 180:
            shift += math.copysign(360, previous - lon)
        unwrapped.append((lon + shift, lat))
    return unwrapped


def close_over_pole(ring: Sequence[Position]) -> list[Position]:
    """Lead a ring that runs round the pole (Antarctica) down to the pole and back.

    An unwrapped ring that ends 360 degrees from its start has no inside on a flat map.
    """
    (first, _), (last, lat) = ring[0], ring[-1]
    if math.isclose(first, last):
        return list(ring)
    pole = math.copysign(90, lat)
    return [*ring, (last, pole), (first, pole), ring[0]]


def polygon_from_rings(rings: Sequence[Sequence[Position]]) -> MultiPolygon:
    """Build a valid geometry inside -180..180 from a shell and its holes.

    A ring of fewer than four positions has no area: quantising took it. It is left out.
    """
    if len(rings[0]) < 4:
        return MultiPolygon()
    shell = Polygon(close_over_pole(unwrap(rings[0])))
    holes = [_beside(Polygon(unwrap(ring)), shell) for ring in rings[1:] if len(ring) >= 4]
    whole = shapely.make_valid(shell)
    for hole in holes:
        whole = whole.difference(shapely.make_valid(hole))
    return as_multipolygon(cut(whole))


def lines_from_positions(positions: Sequence[Position]) -> list[LineString]:
    """Return the parts of a line, each inside -180..180."""
    pieces = parts(cut(LineString(unwrap(positions))))
    return [piece for piece in pieces if isinstance(piece, LineString) and piece.length > 0]


def cut(geometry: BaseGeometry) -> BaseGeometry:
    """Cut at the antimeridian and move every piece to -180..180."""
    minx, _, maxx, _ = geometry.bounds
    worlds = range(math.floor((minx + 180) / 360), math.ceil((maxx + 180) / 360))
    if list(worlds) in ([], [0]):
        return geometry
    return shapely.union_all([_world(geometry, number) for number in worlds])


def as_multipolygon(geometry: BaseGeometry) -> MultiPolygon:
    """Keep the polygons of a geometry; lines that `make_valid` leaves over are dropped."""
    return MultiPolygon([part for part in parts(geometry) if isinstance(part, Polygon)])


def parts(geometry: BaseGeometry) -> Iterable[BaseGeometry]:
    """Return the single geometries, also those of a collection within a collection."""
    if not hasattr(geometry, "geoms"):
        return [] if geometry.is_empty else [geometry]
    return [single for part in geometry.geoms for single in parts(part)]


def _world(geometry: BaseGeometry, number: int) -> BaseGeometry:
    west = -180 + 360 * number
    piece = shapely.intersection(geometry, shapely.box(west, -90, west + 360, 90))
    return shapely.transform(piece, lambda xy: xy - [360 * number, 0])


def _beside(hole: Polygon, shell: Polygon) -> Polygon:
    middle = (shell.bounds[0] + shell.bounds[2]) / 2
    turns = round((middle - hole.centroid.x) / 360)
    return shapely.transform(hole, lambda xy: xy + [360 * turns, 0])
