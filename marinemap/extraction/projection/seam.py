"""Where the plane of an output's CRS ends, and features that lie on both sides of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from marinemap.extraction.geometry.multi import as_multi
from marinemap.extraction.geometry.surface import filled
from marinemap.extraction.projection.bend import EARTH_METRES, Plane, bend
from marinemap.extraction.projection.frame import (
    full_turn,
    is_round,
    middle_longitude,
    single_poles,
)
from marinemap.extraction.projection.operations import geographic, horizontal
from marinemap.extraction.projection.route import Route, does_not_fit

# Features are cut along a slit of four centimetres round the seam, and brought up to it
# afterwards; the slit follows the seam to one.
_SLIT_DEGREES = 2e-7
_SLIT_TOLERANCE_METRES = 0.01
_BESIDE_DEGREES = 1e-10
_POLE_DEGREES = 1e-4

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Seam:
    """The meridian at which the output's plane ends, if it ends there.

    ``centre`` is the longitude in the plane's middle, in the degrees that it is built on; ``turn``
    a full turn in their unit. ``poles`` are the places of the two where each is a single one.
    """

    route: Route
    centre: float
    turn: float
    is_round: bool
    poles: dict[float, Array]

    @classmethod
    def of(cls, route: Route) -> Seam:
        """Return the seam of a route's output."""
        between = route.to_output.move
        if route.output.is_geographic:
            return cls(route, 0.0, full_turn(route.output), is_round=False, poles={})
        turn = full_turn(geographic(horizontal(route.output)))
        centre = middle_longitude(route.output) * turn / 360

        def from_degrees(degrees: Array) -> Array:
            return between(degrees * turn / 360)

        poles = {
            latitude * turn / 360: place
            for latitude, place in single_poles(from_degrees, centre * 360 / turn).items()
        }
        return cls(route, centre, turn, is_round(from_degrees, centre * 360 / turn), poles)

    def move(self, positions: Array) -> Array:
        """Return positions of the data in the output's CRS.

        Raises
        ------
        RequestError
            If one has no finite coordinates there.
        """
        return self._onto_plane(self.route.to_degrees.move(positions))

    def move_to_end(self, positions: Array) -> Array:
        """Return the same, with what lies along the slit on the seam itself."""
        degrees = self.route.to_degrees.move(positions)
        west = self.centre - self.turn / 2
        within = (degrees[:, 0] - west) % self.turn
        slit = 2 * _SLIT_DEGREES
        # On the seam itself a projection may take the one side for the other.
        end = 0.0 if self.route.output.is_geographic else _BESIDE_DEGREES
        at_end = (within < slit) | (within > self.turn - slit)
        within = np.where(within < slit, end, self.turn - end)
        degrees[at_end, 0] = (west + within)[at_end]
        return self._onto_plane(degrees)

    def move_to_one_end(self, positions: Array) -> Array:
        """Return the same for what all lies in the slit, and would go to both ends."""
        degrees = self.route.to_degrees.move(positions)
        end = 0.0 if self.route.output.is_geographic else _BESIDE_DEGREES
        degrees[:, 0] = self.centre + self.turn / 2 - end
        return self._onto_plane(degrees)

    def divided(self, geometry: Any) -> Any:
        """Return a geometry of the data without what lies in the slit, as a multi-geometry.

        It is empty where nothing lies beside the slit.
        """
        if not shapely.is_valid(geometry):
            geometry = shapely.make_valid(geometry, method="structure")
        dimension = shapely.get_dimensions(geometry)
        parts = shapely.get_parts(shapely.difference(geometry, self._slit(geometry)))
        parts = parts[shapely.get_dimensions(parts) == dimension]
        return as_multi(parts, int(dimension))

    def touches_ends(self, positions: Array) -> bool:
        """Tell whether positions of longitude lie where a round plane is sewn together."""
        if not (self.is_round and self.route.data.is_geographic):
            return False
        return bool((np.abs(positions[:, 0]) == full_turn(self.route.data) / 2).any())

    def meets_pole(self, positions: Array) -> bool:
        """Tell whether a pole is among positions of the data."""
        latitudes = np.abs(self.route.to_degrees.move(positions)[:, 1])
        return bool((latitudes > self.turn / 4 - _POLE_DEGREES).any())

    def _onto_plane(self, degrees: Array) -> Array:
        if self.is_round:
            # The two names of one meridian give places that differ by a nanometre.
            degrees[degrees[:, 0] == -self.turn / 2, 0] = self.turn / 2
        moved = self.route.to_output.move(degrees)
        for latitude, place in self.poles.items():
            moved[degrees[:, 1] == latitude] = place
        if not np.isfinite(moved).all():
            raise does_not_fit(self.route.output)
        return moved

    def _slit(self, geometry: Any) -> Any:
        """Return the slit in the data's CRS, as long as a geometry's latitudes reach."""
        places = self.route.to_degrees.move(shapely.get_coordinates(geometry))
        south, north = places[:, 1].min(), places[:, 1].max()
        quarter = self.turn / 4
        low, high = max(south - 1, -quarter), min(north + 1, quarter)
        if self._holds_pole(geometry):
            low, high = (low, quarter) if abs(north) > abs(south) else (-quarter, high)
        return shapely.union_all([self._slit_at(turn, low, high) for turn in self._turns(geometry)])

    def _turns(self, geometry: Any) -> list[float]:
        """Return the longitudes of the seam in each turn that the data's numbers reach."""
        end = self.centre + self.turn / 2
        if not self.route.data.is_geographic:
            return [end]
        minx, _, maxx, _ = geometry.bounds
        first = np.floor((minx - end) / self.turn)
        last = np.ceil((maxx - end) / self.turn)
        return [float(end + n * self.turn) for n in np.arange(first, last + 1)]

    def _slit_at(self, longitude: float, low: float, high: float) -> Any:
        west, east = longitude - _SLIT_DEGREES, longitude + _SLIT_DEGREES
        corners = np.array([[west, low], [east, low], [east, high], [west, high], [west, low]])
        degrees = Plane(2 * np.pi / self.turn * EARTH_METRES, is_geographic=True)
        planes = degrees, Plane.of(self.route.data)
        bent = bend(corners, np.array([0, 5]), self._back, planes, _SLIT_TOLERANCE_METRES)
        return filled(shapely.Polygon(bent.positions))

    def _back(self, degrees: Array) -> Array:
        """Return places in the data's CRS; of longitudes, in the turn in which they were given."""
        moved = self.route.to_degrees.move(degrees, back=True)
        if self.route.data.is_geographic:
            turn = full_turn(self.route.data)
            moved[:, 0] += turn * np.round(degrees[:, 0] / self.turn - moved[:, 0] / turn)
        return moved

    def _holds_pole(self, geometry: Any) -> bool:
        poles = np.array([[0, self.turn / 4], [0, -self.turn / 4]], float)
        places = self.route.to_degrees.move(poles, back=True)
        places = places[np.isfinite(places).all(axis=1)]
        return bool(shapely.dwithin(shapely.points(places), geometry, 0).any())
