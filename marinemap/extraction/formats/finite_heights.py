"""Heights that are no finite number, where a format has no sign for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from marinemap.extraction.formats.written import Loss
from marinemap.extraction.ragged import ragged
from marinemap.extraction.wkb import dimensions, to_column, to_geometries
from marinemap.extraction.words import counted

Array = np.ndarray[Any, Any]


class FiniteHeights:
    """Puts 0 in the place of such heights, as a shapefile does, and counts the features.

    Parameters
    ----------
    keeps_nan : bool
        Whether the format has NaN, so that infinite heights alone are meant.
    """

    def __init__(self, *, keeps_nan: bool = False) -> None:
        self._is_kept = (lambda z: ~np.isinf(z)) if keeps_nan else np.isfinite
        self._count = 0

    def of(self, column: Any) -> Any:
        """Return a column of WKB with heights that the format can hold."""
        rows = np.flatnonzero(dimensions(column)[0])
        positions, owners = shapely.get_coordinates(
            to_geometries(column, rows), include_z=True, return_index=True
        )
        wrong = rows[np.unique(owners[~self._is_kept(positions[:, 2])])]
        if len(wrong) == 0:
            return column
        self._count += len(wrong)
        mask = np.zeros(len(column), bool)
        mask[wrong] = True
        mended = self._mended(column.take(pa.array(wrong)))
        return pc.replace_with_mask(column, pa.array(mask), mended)

    def losses(self) -> list[Loss]:
        """Return the loss, if any."""
        detail = f"{counted(self._count)} with heights that are no number: 0 stands in their place"
        return [Loss("height", "", self._count, detail)] if self._count else []

    def _mended(self, column: Any) -> Any:
        # Collections; their measures no format has that takes no such heights.
        values = to_column(shapely.transform(to_geometries(column), self._raised, include_z=True))
        for group in ragged(column):
            whole = group.replaced(self._raised(group.coordinates), group.parts).to_column()
            mask = np.zeros(len(column), bool)
            mask[group.rows] = True
            values = pc.replace_with_mask(values, pa.array(mask), whole)
        return values

    def _raised(self, positions: Array) -> Array:
        raised = positions.copy()
        raised[~self._is_kept(raised[:, 2]), 2] = 0.0
        return raised
