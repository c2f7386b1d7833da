"""A drawing of features on their page, as SVG: no script, and nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from marinemap.extraction.geometry.wkb import are_finite

Array = np.ndarray[Any, Any]
_WIDTH, _MOST_HEIGHT, _MARGIN = 720.0, 480.0, 8.0
# More is not seen, and costs whoever looks at it.
_MOST_CORNERS = 20_000


def sketch(geometries: Sequence[Array]) -> SafeString:
    """Return a picture of geometries, x to the right and y up; empty where there are none."""
    found = np.concatenate([np.zeros(0, object), *geometries])
    found = found[~(shapely.is_missing(found) | shapely.is_empty(found)) & are_finite(found)]
    if len(found) == 0:
        return mark_safe("")
    west, south, east, north = (float(edge) for edge in shapely.total_bounds(found))
    extent = max(east - west, north - south, 1e-9)
    scale = min(_WIDTH / max(east - west, extent / 8), _MOST_HEIGHT / max(north - south, 1e-12))
    placed = shapely.transform(found, _onto(west, north, scale))
    size = [scale * (east - west) + 2 * _MARGIN, scale * (north - south) + 2 * _MARGIN]
    corners = (f"{west:.6g} {south:.6g}", f"{east:.6g} {north:.6g}")
    # Translators: two corners of a box, each as two numbers.
    bounds = _("%s to %s") % corners
    return format_html(
        '<figure class="sketch"><svg viewBox="0 0 {} {}" width="{}" role="img" aria-label="{}" '
        'fill="#0b4f6c" fill-opacity="0.25" stroke="#0b4f6c">{}</svg>'
        "<figcaption>{}</figcaption></figure>",
        *(f"{each:.0f}" for each in (*size, size[0])),
        _("Map of the features"),
        mark_safe("".join(_shapes(shapely.simplify(placed, 0.5)))),
        bounds,
    )


def _onto(west: float, north: float, scale: float) -> Any:
    def place(corners: Array) -> Array:
        x = (corners[:, 0] - west) * scale + _MARGIN
        return np.column_stack([x, (north - corners[:, 1]) * scale + _MARGIN])

    return place


def _shapes(geometries: Array) -> list[str]:
    """Return SVG of numbers alone: what a layer holds besides does not come here."""
    drawn, corners = [], 0
    for part in shapely.get_parts(geometries):
        corners += int(shapely.get_num_coordinates(part))
        if corners > _MOST_CORNERS:
            break
        drawn.append(_shape(part))
    return drawn


def _shape(part: Any) -> str:
    if part.geom_type == "Point":
        return f'<circle cx="{part.x:.1f}" cy="{part.y:.1f}" r="3"/>'
    if part.geom_type == "Polygon":
        rings = " ".join(f"M{_path(ring)}Z" for ring in (part.exterior, *part.interiors))
        return f'<path fill-rule="evenodd" d="{rings}"/>'
    if part.geom_type in ("LineString", "LinearRing"):
        return f'<path fill="none" d="M{_path(part)}"/>'
    return "".join(_shapes(np.array([part], object)))


def _path(line: Any) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in shapely.get_coordinates(line))
