"""How many bytes features take in a format, told from some of them without writing any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc
import shapely

from marinemap.extraction.formats.fields import to_plain_text
from marinemap.extraction.geometry.wkb import lengths_of, to_geometries

# Before the coordinates of a geometry come the byte order and its type.
_HEAD_BYTES = 5
_DOUBLE_BYTES = 8
# Numbers whose digits are counted, and the bytes of geometries that they are taken from.
_NUMBERS = 500
_LOOKED_BYTES = 100_000
# What reprojection makes of a number: all the digits of a double.
_REPROJECTED = 12.345678901234567


def stored_bytes(attributes: Any) -> int:
    """Return what values take where numbers are stored in binary."""
    return int(attributes.nbytes)


@dataclass(frozen=True)
class Texts:
    """What values take where all are texts, each with its field's name or without.

    ``frame`` bytes stand around each value: separators, quotes, tags; ``row`` bytes around those
    of a feature.
    """

    frame: int
    names: int = 0
    row: int = 0

    def __call__(self, attributes: Any) -> int:
        """Return the bytes of some features' values."""
        if not attributes.schema.names:
            return 0
        texts = (pc.binary_length(to_plain_text(column)) for column in attributes.columns)
        length = sum(int(pc.sum(each).as_py() or 0) for each in texts)
        names = sum(
            self.frame + self.names * len(name.encode()) for name in attributes.schema.names
        )
        return length + (names + self.row) * int(attributes.num_rows)


@dataclass(frozen=True)
class Weight:
    """What a format adds to coordinates and values.

    Measured on layers of points, lines and polygons with few fields and many; the files that are
    written are within a factor of 1.5 of what is told.

    Parameters
    ----------
    empty : int
        Bytes of a file without features.
    feature : float
        Bytes of each feature beside what follows: headers, tags, its place in an index.
    number : float
        Bytes of a coordinate's number; beside its digits where it is written as text.
    digits : callable, optional
        Writes a coordinate's number as the format does. Without it numbers are binary.
    values : callable
        Tells how many bytes the values of some features take (pyarrow.RecordBatch).
    """

    empty: int
    feature: float
    number: float = _DOUBLE_BYTES
    digits: Callable[[float], str] | None = None
    values: Callable[[Any], int] = stored_bytes

    def __call__(
        self, geometries: Any, attributes: Any, features: int, *, is_reprojected: bool
    ) -> int:
        """Return how many bytes so many features take of which these, at least one, are some.

        Parameters
        ----------
        geometries : pyarrow.BinaryArray
            WKB.
        attributes : pyarrow.RecordBatch
        features : int
        is_reprojected : bool
            Whether they are written in another CRS.
        """
        looked_at = len(geometries)
        numbers = int(lengths_of(geometries).sum() - _HEAD_BYTES * looked_at) / _DOUBLE_BYTES
        each = self.number + self._digits(geometries, is_reprojected)
        parts = numbers * each + self.values(attributes) + self.feature * looked_at
        return int(self.empty + parts * features / looked_at)

    def _digits(self, geometries: Any, is_reprojected: bool) -> float:
        if self.digits is None:
            return 0.0
        numbers = [_REPROJECTED] if is_reprojected else _some_numbers(geometries)
        return float(np.mean([len(self.digits(number)) for number in numbers]))


def _some_numbers(geometries: Any) -> list[float]:
    ends = np.cumsum(lengths_of(geometries))
    enough = 1 + int(np.searchsorted(ends, _LOOKED_BYTES))
    found = shapely.get_coordinates(to_geometries(geometries.slice(0, enough))).ravel()
    numbers: list[float] = found[:: 1 + len(found) // _NUMBERS].tolist()
    return numbers or [_REPROJECTED]
