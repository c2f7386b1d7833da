"""Read `land` and `countries` from the TopoJSON of world-atlas (Natural Earth 1:10m)."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import shapely
from pyproj import Geod
from shapely import MultiPolygon, Polygon

from samples.antimeridian import Position, as_multipolygon, polygon_from_rings
from samples.geopackage import Feature

# The source's own grid is 0.0036 x 0.0017 degrees, some 400 x 190 m at the equator; 54 m adds
# little to that. A power of two leaves most bytes of a coordinate zero, which packs far better.
GRID_DEGREES = 2**-11

# Smaller than any triangle of the source's grid, so only a crumb of the repair can be this small.
_CRUMB_KM2 = 0.005

_WGS84 = Geod(ellps="WGS84")

LAND_SCHEMA = {
    "geometry": "Polygon",
    "properties": {"land_id": "int32", "area_km2": "float", "shoreline_km": "float"},
}
COUNTRIES_SCHEMA = {
    "geometry": "MultiPolygon",
    "properties": {
        "country_name": "str",
        "iso_numeric": "str:3",
        "polygon_count": "int32",
        "area_km2": "float",
    },
}


def land(folder: Path) -> Iterator[Feature]:
    """Yield one feature for each island and continent, the largest first."""
    pieces = [(_area_km2(piece), piece) for piece in land_polygons(folder)]
    pieces.sort(key=lambda pair: (-pair[0], pair[1].bounds))
    for number, (area_km2, piece) in enumerate(pieces, start=1):
        yield (
            piece,
            {
                "land_id": number,
                "area_km2": round(area_km2, 2),
                "shoreline_km": round(_WGS84.geometry_length(piece.exterior) / 1000, 1),
            },
        )


@cache
def land_polygons(folder: Path) -> list[Polygon]:
    """Return the land of the world, in EPSG:4326 and in no order."""
    topology = _read(folder / "land-10m.json")
    (geometry,) = topology["objects"]["land"]["geometries"]
    return list(_geometry(geometry, _arcs(topology)).geoms)


def countries(folder: Path) -> Iterator[Feature]:
    """Yield one feature for each country; `iso_numeric` is null for places without a code.

    The Vatican is smaller than the source's grid, has no area in it, and is left out.
    """
    topology = _read(folder / "countries-10m.json")
    arcs = _arcs(topology)
    for geometry in topology["objects"]["countries"]["geometries"]:
        whole = _geometry(geometry, arcs)
        if whole.is_empty:
            continue
        yield (
            whole,
            {
                "country_name": geometry["properties"]["name"],
                "iso_numeric": geometry.get("id"),
                "polygon_count": len(whole.geoms),
                "area_km2": round(_area_km2(whole), 2),
            },
        )


def _read(path: Path) -> dict[str, Any]:
    topology: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return topology


def _arcs(topology: dict[str, Any]) -> list[list[Position]]:
    """Decode the arcs: quantised and delta-encoded (TopoJSON specification 2.1.2 to 2.1.4)."""
    scale_x, scale_y = topology["transform"]["scale"]
    left, bottom = topology["transform"]["translate"]
    arcs = []
    for encoded in topology["arcs"]:
        x = y = 0
        arc = []
        for dx, dy in encoded:
            x, y = x + dx, y + dy
            arc.append((left + x * scale_x, bottom + y * scale_y))
        arcs.append(arc)
    return arcs


def _geometry(geometry: dict[str, Any], arcs: list[list[Position]]) -> MultiPolygon:
    polygons = geometry["arcs"] if geometry["type"] == "MultiPolygon" else [geometry["arcs"]]
    pieces = [
        piece
        for rings in polygons
        for piece in polygon_from_rings([_ring(ring, arcs) for ring in rings]).geoms
    ]
    # Snapping the whole at once keeps it valid; each coordinate rounded alone would not.
    # Union first: quantising made some neighbouring islands overlap by a grid step.
    snapped = as_multipolygon(shapely.union_all(pieces, grid_size=GRID_DEGREES))
    return MultiPolygon([piece for piece in snapped.geoms if _area_km2(piece) > _CRUMB_KM2])


def _ring(numbers: list[int], arcs: list[list[Position]]) -> list[Position]:
    """Join arcs; `~n` means arc n backwards, and neighbours share one position."""
    ring: list[Position] = []
    for number in numbers:
        arc = arcs[number] if number >= 0 else arcs[~number][::-1]
        ring.extend(arc[1:] if ring else arc)
    return ring


def _area_km2(geometry: Polygon | MultiPolygon) -> float:
    """Area on the WGS 84 ellipsoid."""
    return abs(_WGS84.geometry_area_perimeter(shapely.orient_polygons(geometry))[0]) / 1e6
