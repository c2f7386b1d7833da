"""How positions get from an area's degrees to a layer's CRS, and from there to the output's.

One datum operation leads from the data to the output; the area comes to the data along the same
one, backwards. So an extract ends where the area ends, whatever the operation is worth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyproj

from marinemap.errors import RequestError
from marinemap.extraction.projection.beyond import beyond_note
from marinemap.extraction.projection.crs import crs_label, is_same_crs
from marinemap.extraction.projection.fit import stretch_note
from marinemap.extraction.projection.operations import (
    BALLPARK_METRES,
    Operation,
    find_operation,
    geographic,
    grid_of,
    horizontal,
)
from marinemap.sentences import say

# Worth telling: what a grid that is not installed would make better by more than this.
_TELLING_METRES = 0.5

Array = np.ndarray[Any, Any]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Route:
    """The way from the area's degrees to the data, and from the data to the output.

    Parameters
    ----------
    area : pyproj.CRS
        Longitudes and latitudes in degrees.
    data, output : pyproj.CRS
    to_degrees : Operation
        From the data to the longitudes and latitudes that the output is built on.
    to_area : Operation
        From these to the area's.
    to_output : Operation
        From these to the output: its projection.
    region : tuple of float or None
        (west, south, east, north) in degrees: about where the data lie.
    """

    area: pyproj.CRS
    data: pyproj.CRS
    output: pyproj.CRS
    to_degrees: Operation
    to_area: Operation
    to_output: Operation
    region: Box | None

    @classmethod
    def of(
        cls,
        area: pyproj.CRS,
        data: pyproj.CRS,
        output: pyproj.CRS | None = None,
        region: Box | None = None,
    ) -> Route:
        """Choose the operations.

        Parameters
        ----------
        area : pyproj.CRS
            Longitudes and latitudes in degrees.
        data : pyproj.CRS
        output : pyproj.CRS, optional
            The data's by default.
        region : tuple of float, optional
            (west, south, east, north) in degrees: where the data lie, for the best operation
            differs from place to place.
        """
        source = horizontal(data)
        target = horizontal(output or data)
        between = geographic(target)
        return cls(
            area,
            data,
            output or data,
            find_operation(source, between, region),
            find_operation(between, area, region),
            find_operation(between, target, region),
            region,
        )

    @property
    def moves(self) -> bool:
        """Whether the data are moved at all on the way to the output."""
        return not is_same_crs(self.data, self.output)

    @property
    def is_direct(self) -> bool:
        """Whether the area's degrees are those of the data."""
        return not self.to_area.steps and not self.to_degrees.steps

    def area_to_data(self, positions: Array) -> Array:
        """Return the area's longitudes and latitudes in the data's CRS; infinite where outside."""
        return self.to_degrees.move(self.to_area.move(positions, back=True), back=True)

    def data_to_area(self, positions: Array) -> Array:
        """Return positions of the data in the area's longitudes and latitudes."""
        return self.to_area.move(self.to_degrees.move(positions))

    def data_to_output(self, positions: Array) -> Array:
        """Return positions of the data in the output's CRS.

        Raises
        ------
        RequestError
            If one has no finite coordinates there.
        """
        moved = self.moved(positions)
        if not np.isfinite(moved).all():
            raise does_not_fit(self.output)
        return moved

    def moved(self, positions: Array) -> Array:
        """Return positions of the data in the output's CRS; infinite where there is no place."""
        return self.to_output.move(self.to_degrees.move(positions))

    def box_to_data(self, box: Box) -> Box | None:
        """Return a box of the output's CRS in that of the data, None where it has none."""
        between = self.to_output.move_box(box, back=True)
        return None if between is None else self.to_degrees.move_box(between, back=True)

    @property
    def name(self) -> str:
        """How the data are moved to the output, for the report; empty where they are not."""
        if not self.moves:
            return ""
        names = [o.name for o in (self.to_degrees, self.to_output) if o.name]
        return _described(" + ".join(names), [self.to_degrees])

    @property
    def area_name(self) -> str:
        """How the area is moved to the data where their datums differ, for the report."""
        shifting = [o for o in (self.to_area, self.to_degrees) if o.shifts]
        return _described(" + ".join(f"Inverse of {o.name}" for o in shifting), shifting)

    @property
    def accuracy_m(self) -> float | None:
        """How well the datum operations are known together, in metres; None where not at all."""
        known = [o.accuracy_m for o in self._shifting]
        return None if None in known else sum(accuracy or 0.0 for accuracy in known)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know of the way, in sentences."""
        stretched = stretch_note(self.output, self.region) if self.moves else ""
        told = [text for o in self._shifting for text in _warnings(o)]
        return (*told, *self._beyond, *([stretched] if stretched else []))

    @property
    def _beyond(self) -> list[str]:
        """What operations are worth where the region reaches beyond what they are made for."""
        if self.region is None:
            return []
        places, between = grid_of(self.region), geographic(horizontal(self.output))
        ends = [
            (self.to_degrees, horizontal(self.data), between, self.area_to_data),
            (self.to_area, between, self.area, lambda p: self.to_area.move(p, back=True)),
        ]
        notes = [
            beyond_note(operation, source, target, start(places), places)
            for operation, source, target, start in ends
            if operation.shifts
        ]
        return [note for note in notes if note]

    @property
    def _shifting(self) -> list[Operation]:
        return [o for o in (self.to_degrees, self.to_area) if o.shifts]


def does_not_fit(target: pyproj.CRS) -> RequestError:
    """Return the error of positions that a CRS cannot hold."""
    return RequestError(
        say(
            "some positions of the area have no coordinates in {crs} ({name})",
            crs=crs_label(target),
            name=target.name,
        ),
        field="crs",
        value=crs_label(target),
        hint=say("Choose a CRS made for the area, draw a smaller area, or take EPSG:4326."),
    )


def _described(name: str, operations: list[Operation]) -> str:
    stated = [f"accuracy {o.accuracy_m:g} m" for o in operations if o.shifts and o.accuracy_m]
    stated += [f"a better one needs a grid: {o.better}" for o in operations if o.better]
    stated += ["ballpark: the datums' shift is not known" for o in operations if o.is_ballpark]
    return f"{name} ({'; '.join(stated)})" if name and stated else name


def _warnings(operation: Operation) -> list[str]:
    if operation.is_ballpark:
        return [_ballpark_note(operation)]
    accuracy = operation.accuracy_m
    if not operation.better or (accuracy is not None and accuracy <= _TELLING_METRES):
        return []
    off = (
        say("an amount that nobody states")
        if accuracy is None
        else say("up to {metres:g} m", metres=accuracy)
    )
    return [
        say(
            "Positions may be off by {amount}: the datums are joined by {operation}. Better is "
            "{better}, a grid that is not installed.",
            amount=off,
            operation=operation.name,
            better=operation.better,
        )
    ]


def _ballpark_note(operation: Operation) -> str:
    better = operation.better
    lacking = say("; there is {better}, not installed", better=better) if better else ""
    return say(
        "Positions may be off by up to {metres:,} m: no operation is known between these datums, "
        "and their shift is left out ({operation}{lacking}).",
        metres=BALLPARK_METRES,
        operation=operation.name,
        lacking=lacking,
    )
