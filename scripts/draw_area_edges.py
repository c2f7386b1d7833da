"""Draw the picture of docs/explanation/geometry.md: one area in degrees and in a layer's CRS.

python scripts/draw_area_edges.py > docs/images/area-edges.svg
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import shapely

sys.path.insert(0, str(Path(__file__).parents[1]))

from marinemap.extraction import parse_area
from marinemap.extraction.areas.near import area_near, route_to

AREA = (-20.0, 45.0, 40.0, 65.0)
LAYER = (1.5e6, 0.9e6, 7.5e6, 6.0e6)
SIDE, GAP, TOP = 300, 40, 40


def main() -> None:
    """Print the drawing."""
    area, crs = parse_area(AREA), pyproj.CRS("EPSG:3035")
    followed = area_near(area, route_to(area, crs, None, LAYER), LAYER)
    corners = shapely.get_coordinates(area.geometry)
    there = pyproj.Transformer.from_crs("OGC:CRS84", crs, always_xy=True)
    chords = shapely.Polygon(np.column_stack(there.transform(*corners.T)))
    left = drawn(area.geometry, area.geometry.bounds, 10)
    right = drawn(followed, followed.bounds, 10 + SIDE + GAP)
    wrong = drawn(chords, followed.bounds, 10 + SIDE + GAP)
    width, height = 2 * SIDE + GAP + 20, SIDE + TOP + 30
    print(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="13">\n'
        f'<rect width="{width}" height="{height}" fill="white"/>\n'
        '<text x="10" y="22">as drawn: longitude and latitude</text>\n'
        f'<text x="{10 + SIDE + GAP}" y="22">in a layer in EPSG:3035</text>\n'
        f'<path d="{left}" fill="#cfe3f5" stroke="#14507d" stroke-width="2"/>\n'
        f'<path d="{right}" fill="#cfe3f5" stroke="#14507d" stroke-width="2"/>\n'
        f'<path d="{wrong}" fill="none" stroke="#b03a2e" stroke-dasharray="5 4"/>\n'
        f'<text x="{10 + SIDE + GAP}" y="{height - 10}" fill="#b03a2e">'
        "dashed: the chords between the corners, which are not the area</text>\n"
        "</svg>"
    )


def drawn(polygon: Any, bounds: tuple[float, ...], left: float) -> str:
    """Return a polygon as a path, its box of bounds as large as fits."""
    minx, miny, maxx, maxy = bounds
    scale = SIDE / max(maxx - minx, maxy - miny)
    line = shapely.simplify(shapely.get_rings(polygon)[0], 0.2 / scale)
    x, y = (shapely.get_coordinates(line) - [minx, maxy]).T * scale
    places = zip(x + left, TOP - y, strict=True)
    return "M" + " L".join(f"{a:.1f} {b:.1f}" for a, b in places) + " Z"


if __name__ == "__main__":
    main()
