"""What is left of a layer's features, batch by batch: cut to the area, moved, measured, counted."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import pyarrow as pa

from marinemap.extraction.layers.layer import PreparedLayer
from marinemap.extraction.left_out import LeftOut
from marinemap.extraction.projection.measure import Measure, Measured
from marinemap.extraction.projection.reproject import Reprojection
from marinemap.extraction.reading.arrow_batches import Batch

_NO_NUMBER = "a coordinate is no finite number"
_NO_EXTENT = "it is a polygon of no area or a line of no length"


@dataclass(frozen=True)
class Tally:
    """Counts of a pass over a layer, or of a batch of it."""

    read: int = 0
    repaired: int = 0
    not_finite: LeftOut = LeftOut()
    unreadable: LeftOut = LeftOut()
    collapsed: LeftOut = LeftOut()
    trimmed: int = 0
    without_position: int = 0
    straightened: int = 0
    torn: int = 0
    kept: int = 0
    measured: Measured = Measured()

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True)
class Kept:
    """A batch in the output's CRS: geometries as WKB, attributes row for row, and its counts."""

    geometries: Any
    attributes: Any
    tally: Tally


class Keeper:
    """Makes of batches, as they are read, what goes into the files.

    Parameters
    ----------
    layer : PreparedLayer
    reprojection : Reprojection
    """

    def __init__(self, layer: PreparedLayer, reprojection: Reprojection) -> None:
        self._layer = layer
        self._reprojection = reprojection
        self._measure = Measure(layer.route.output)

    def keep(self, batch: Batch) -> Kept:
        """Return what is left of a batch."""
        picked = self._layer.selection.pick(batch)
        cut = self._layer.clip(picked.geometries)
        every = len(cut.rows) == len(picked.geometries)
        attributes = picked.attributes if every else picked.attributes.take(pa.array(cut.rows))
        moved = self._reprojection.move(cut.column)
        unreadable = picked.unreadable_with(cut.unreadable)
        tally = Tally(
            read=len(batch.geometries),
            repaired=cut.repaired,
            not_finite=LeftOut.of(dict.fromkeys(picked.ids[cut.not_finite].tolist(), _NO_NUMBER)),
            collapsed=LeftOut.of(dict.fromkeys(picked.ids[cut.collapsed].tolist(), _NO_EXTENT)),
            unreadable=LeftOut.of(unreadable),
            trimmed=cut.trimmed,
            without_position=batch.nowhere,
            straightened=batch.straightened,
            torn=moved.cut,
            kept=len(cut.rows),
            measured=self._measure.of(moved.column),
        )
        return Kept(moved.column, attributes, tally)
