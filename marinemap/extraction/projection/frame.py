"""One turn of longitudes round the middle of a CRS, and how they lie in its plane."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyproj

from marinemap.extraction.projection.operations import horizontal
from marinemap.extraction.projection.route import Route, does_not_fit

# EPSG's codes of the parameters that say where a projection has its middle: longitude of natural
# origin, of false origin, of projection centre, of origin.
_MIDDLES = ("8802", "8822", "8812", "8833")
# Between two datums the ends of a turn differ by up to a kilometre: so much before its own end a
# projection is carried on in a straight line, which is off by a few centimetres.
_END_DEGREES = 0.005
# A CRS of longitudes goes on beyond its ends as it is.
_BEYOND_DEGREES = 1.0
_LATITUDES = (-80.0, -45.0, 0.0, 45.0, 80.0)
_ROUND_METRES, _POLE_METRES = 1e5, 1e-3
_POLE = 90.0
# A pole that lies at infinity is as good as reached here.
_NEAR_POLE = _POLE - 1e-9

Array = np.ndarray[Any, Any]
Box = tuple[float, float, float, float]
Move = Callable[[Array], Array]


@dataclass(frozen=True)
class Frame:
    """Longitudes from 180 degrees west to 180 degrees east of a CRS's middle.

    ``is_round`` tells whether the plane goes on where the turn ends, as round a pole. ``poles``
    are the places of the two where each is a single one.
    """

    route: Route
    centre: float
    is_round: bool
    poles: dict[float, Array]

    @classmethod
    def of(cls, route: Route, bounds: Box) -> Frame:
        """Return the frame of a layer's CRS; of longitudes, that round the layer's own middle."""
        if route.data.is_geographic:
            middle = np.array([[(bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2]])
            # PROJ brings longitudes back to one turn; a turn more or less makes no odds here.
            return cls(route, float(route.data_to_area(middle)[0, 0]), is_round=False, poles={})
        centre = middle_longitude(route.data) + prime_meridian(route.data)
        return cls(
            route,
            centre,
            is_round(route.area_to_data, centre),
            single_poles(route.area_to_data, centre),
        )

    @property
    def west(self) -> float:
        """Where the turn begins, in degrees, with what lies a little beyond."""
        return self.centre - 180 - self._beyond

    @property
    def east(self) -> float:
        """Where the turn ends, in degrees, with what lies a little beyond."""
        return self.centre + 180 + self._beyond

    @property
    def _beyond(self) -> float:
        if self.is_round:
            return 0.0
        return _BEYOND_DEGREES if self.route.data.is_geographic else _END_DEGREES

    def counted_on(self, longitudes: Array) -> Array:
        """Return longitudes in the frame's turn."""
        first = self.centre - 180
        counted: Array = first + (longitudes - first) % 360
        return counted

    def use_boxes(self, crs: pyproj.CRS) -> Iterator[Box]:
        """Yield the area of use of a CRS, in each turn in which it meets the frame."""
        use = crs.area_of_use
        if use is None:
            return
        width = use.east - use.west if use.west <= use.east else use.east + 360 - use.west
        west = float(self.counted_on(np.array(use.west)))
        for turn in (west - 360, west):
            yield turn, use.south, turn + width, use.north

    def poles_within(self, bounds: Box) -> list[float]:
        """Return the latitudes of the poles that lie in bounds of the plane."""
        minx, miny, maxx, maxy = bounds
        return [
            latitude
            for latitude, (x, y) in self.poles.items()
            if minx <= x <= maxx and miny <= y <= maxy
        ]

    def move(self, degrees: Array) -> Array:
        """Return positions of the frame in the plane of the CRS.

        Raises
        ------
        RequestError
            If one has no finite coordinates there.
        """
        if self.route.data.is_geographic:
            return self._onwards(degrees)
        longitudes, latitudes = degrees[:, 0], np.clip(degrees[:, 1], *self._latitudes)
        inside = longitudes
        if not self.is_round:
            ends = self.centre - 180 + _END_DEGREES, self.centre + 180 - _END_DEGREES
            inside = np.clip(longitudes, *ends)
        moved = self.route.area_to_data(np.column_stack([inside, latitudes]))
        over = np.flatnonzero(inside != longitudes)
        if len(over):
            mirrored = 2 * inside[over] - longitudes[over]
            before = self.route.area_to_data(np.column_stack([mirrored, latitudes[over]]))
            moved[over] = 2 * moved[over] - before
        for latitude, place in self.poles.items():
            moved[degrees[:, 1] == latitude] = place
        return self._finite(moved)

    @property
    def _latitudes(self) -> tuple[float, float]:
        south, north = (
            latitude if latitude in self.poles else np.sign(latitude) * _NEAR_POLE
            for latitude in (-_POLE, _POLE)
        )
        return float(south), float(north)

    def _onwards(self, degrees: Array) -> Array:
        """Return positions in a CRS of longitudes, in the turn in which they were given."""
        moved = self.route.area_to_data(degrees)
        turn = full_turn(self.route.data)
        moved[:, 0] += turn * np.round(degrees[:, 0] / 360 - moved[:, 0] / turn)
        return self._finite(moved)

    def _finite(self, moved: Array) -> Array:
        if not np.isfinite(moved).all():
            raise does_not_fit(self.route.data)
        return moved


def full_turn(crs: pyproj.CRS) -> float:
    """Return a full turn in the unit of a CRS of longitudes: 360 degrees or 400 grads."""
    factor = crs.axis_info[0].unit_conversion_factor if crs.axis_info else 0.0
    return float(2 * np.pi / factor) if factor else 360.0


def middle_longitude(crs: pyproj.CRS) -> float:
    """Return the longitude in the middle of a projection, in degrees from its prime meridian."""
    conversion = _plain(crs).coordinate_operation
    found = [
        float(parameter.value) * float(parameter.unit_conversion_factor)
        for parameter in (conversion.params if conversion else ())
        if parameter.code in _MIDDLES
    ]
    return float(np.degrees(found[0] if found else 0.0))


def prime_meridian(crs: pyproj.CRS) -> float:
    """Return the prime meridian of a CRS in degrees from Greenwich."""
    meridian = _plain(crs).prime_meridian
    if meridian is None:
        return 0.0
    return float(np.degrees(float(meridian.longitude) * float(meridian.unit_conversion_factor)))


def _plain(crs: pyproj.CRS) -> pyproj.CRS:
    plain = horizontal(crs)
    return plain.source_crs if plain.is_bound and plain.source_crs else plain


def is_round(move: Move, centre: float) -> bool:
    """Tell whether a plane goes on where a turn of longitudes ends, as round a pole.

    Parameters
    ----------
    move : callable
        Moves degrees into the plane; infinite where there is no place.
    centre : float
        The longitude of the plane's middle, in degrees.
    """
    latitudes = np.array(_LATITUDES)
    west, east = (
        move(np.column_stack([np.full(len(latitudes), end), latitudes]))
        for end in (centre - 180 + _END_DEGREES, centre + 180 - _END_DEGREES)
    )
    with np.errstate(invalid="ignore"):
        gaps = np.hypot(*(west - east).T)
    gaps = gaps[np.isfinite(gaps)]
    return len(gaps) > 0 and bool((gaps < _ROUND_METRES).all())


def single_poles(move: Move, centre: float) -> dict[float, Array]:
    """Return the places of those poles (latitudes of 90 and -90) that are one place each."""
    longitudes = np.array([centre - 90, centre, centre + 90])
    found = {}
    for latitude in (-_POLE, _POLE):
        moved = move(np.column_stack([longitudes, np.full(3, latitude)]))
        if np.isfinite(moved).all() and np.ptp(moved, axis=0).max() < _POLE_METRES:
            found[latitude] = moved[1]
    return found
