"""Which features of a layer are wanted, where our own code finds them: by their places or boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Box = tuple[float, float, float, float]
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Rows:
    """Features by their places in the file, rising."""

    places: Array


@dataclass(frozen=True)
class Touching:
    """Features whose box touches one of some boxes."""

    boxes: Sequence[Box]

    def near(self, boxes: Array) -> Array:
        """Tell of boxes, shape (n, 4), whether they touch one; True where a box is unknown."""
        found = are_unknown(boxes)
        for west, south, east, north in self.boxes:
            found |= (
                (boxes[:, 0] <= east)
                & (boxes[:, 2] >= west)
                & (boxes[:, 1] <= north)
                & (boxes[:, 3] >= south)
            )
        return found


def are_unknown(boxes: Array) -> Array:
    """Tell of boxes, shape (n, 4), which are none: what they stand for may lie anywhere."""
    return np.asarray(np.isnan(boxes).any(axis=1))
