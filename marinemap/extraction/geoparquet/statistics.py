"""Where the features of a row group lie, by the statistics of its columns of boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

_HALF_TURN = 180.0
# Of longitudes that are a little beyond.
_SLACK_DEGREES = 1.0
_UNKNOWN = [np.nan] * 7

Array = np.ndarray[Any, Any]


def nulls_in(row_group: Any, place: int) -> int:
    """Return how many values of a column of a row group are null; 0 where it does not say."""
    found = row_group.column(place).statistics
    return int(found.null_count) if found is not None and found.has_null_count else 0


def limits_of(row_group: Any, sides: Sequence[int]) -> list[float]:
    """Return the box of a row group, its highest west, its lowest east, and how many have no box.

    NaN for none.

    Parameters
    ----------
    row_group : pyarrow.parquet.RowGroupMetaData
    sides : sequence of int
        The places of the columns of boxes.
    """
    found = [row_group.column(place).statistics for place in sides]
    if any(each is None or not each.has_min_max for each in found):
        return _UNKNOWN
    minx, miny, maxx, maxy = found
    if minx.min > maxx.min or minx.max > maxx.max:
        # A feature across 180 degrees begins east of where it ends (RFC 7946, 5.2).
        return _UNKNOWN
    nulls = max(each.null_count or 0 for each in found)
    return [minx.min, miny.min, maxx.max, maxy.max, minx.max, maxx.min, nulls]


def with_reach(boxes: Array, limits: Array) -> Array:
    """Return boxes of row groups as far as a feature reaches that may be among others.

    One across 180 degrees begins east of where it ends, by half the globe at least.
    """
    edge = _HALF_TURN + _SLACK_DEGREES
    are_degrees = (boxes[:, 0] >= -edge) & (boxes[:, 2] <= edge)
    across = np.flatnonzero(are_degrees & (limits[:, 4] - limits[:, 5] >= _HALF_TURN))
    found = boxes.copy()
    found[across, 0], found[across, 2] = -_HALF_TURN, _HALF_TURN
    return found
