"""What a layer is declared to hold, in plain words.

pyogrio refuses to open a layer whose declared type it has no name for (0.13): any geometry with
heights or measures, arcs, surfaces. It reads their features like all others, so the names are
added to its table.
"""

from __future__ import annotations

from pyogrio._geometry import GEOMETRY_TYPES

# OGR's numbers (ogr_core.h): of heights 1000, of measures 2000, of both 3000 more; of the oldest
# types heights are a bit in their place, which pyogrio has with and without its sign.
_ANY, _CIRCULAR, _TRIANGLE = 0, 8, 17
_WITH_HEIGHTS = {0: "", 1000: " Z", 2000: "", 3000: " Z"}
_HEIGHTS_BIT = 1 << 31

_BEYOND = [_ANY, *range(_CIRCULAR, _TRIANGLE + 1)]
_NAMES = {kind + more: f"Unknown{z}" for kind in _BEYOND for more, z in _WITH_HEIGHTS.items()}
_NAMES |= {_HEIGHTS_BIT: "Unknown Z", -_HEIGHTS_BIT: "Unknown Z"}
for _number, _name in _NAMES.items():
    GEOMETRY_TYPES.setdefault(_number, _name)


def plain_type(declared: str) -> tuple[str, bool]:
    """Return a type in pyogrio's words without heights and measures, and whether it has heights.

    >>> plain_type("Measured 3D Polygon"), plain_type("PointM"), plain_type("LineString Z")
    (('Polygon', True), ('Point', False), ('LineString', True))
    """
    plain = declared.removeprefix("Measured ").removeprefix("3D ").removesuffix(" Z")
    has_heights = "3D " in declared or declared.endswith(" Z")
    return ("Point" if plain == "PointM" else plain), has_heights
