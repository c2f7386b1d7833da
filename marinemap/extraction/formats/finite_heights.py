"""Heights and measures that are no finite number, where a format has no sign for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from marinemap.extraction.formats.written import Loss
from marinemap.extraction.geometry.ragged import ragged
from marinemap.extraction.geometry.wkb import (
    dimensions,
    kinds,
    leaves,
    replaced,
    to_column,
    to_geometries,
)
from marinemap.extraction.words import counted

_COLLECTION = 7
Array = np.ndarray[Any, Any]


class FiniteHeights:
    """Puts 0 in the place of such heights, as a shapefile does, and counts the features.

    Parameters
    ----------
    with_measures : bool
        Whether the format has measures as well; those that are no number become 0, too.
    """

    def __init__(self, *, with_measures: bool = False) -> None:
        self._with_measures = with_measures
        self._heights = self._measures = 0

    def of(self, column: Any) -> Any:
        """Return a column of WKB with heights that the format can hold."""
        has_z, has_m = dimensions(column)
        low = _not_finite(column, np.flatnonzero(has_z), "z")
        unmeasured = _not_finite(column, np.flatnonzero(has_m & self._with_measures), "m")
        wrong = np.union1d(low, unmeasured)
        if len(wrong) == 0:
            return column
        self._heights += len(low)
        self._measures += len(unmeasured)
        return replaced(column, wrong, _finite(column.take(pa.array(wrong))))

    def losses(self) -> list[Loss]:
        """Return the losses, if any."""
        found = (("height", self._heights), ("measure", self._measures))
        return [
            Loss(
                word,
                "",
                count,
                f"{counted(count)} with {word}s that are no number: 0 stands in their place",
            )
            for word, count in found
            if count
        ]


def _not_finite(column: Any, rows: Array, axis: str) -> Array:
    positions, owners = shapely.get_coordinates(
        to_geometries(column, rows),
        include_z=axis == "z",
        include_m=axis == "m",
        return_index=True,
    )
    return rows[np.unique(owners[~np.isfinite(positions[:, 2])])]


def _finite(column: Any) -> Any:
    for row in np.flatnonzero(kinds(column) == _COLLECTION):
        parts = _finite(to_column(leaves(to_geometries(column, np.array([row]))[0])))
        whole = shapely.geometrycollections(to_geometries(parts))
        column = replaced(column, np.array([row]), to_column(np.array([whole], object)))
    for group in ragged(column):
        positions = group.coordinates.copy()
        beyond = positions[:, 2:]
        beyond[~np.isfinite(beyond)] = 0.0
        column = replaced(column, group.rows, group.replaced(positions, group.parts).to_column())
    return column
