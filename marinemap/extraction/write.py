"""One layer on its way from its source into the files of a format: one bounded pass."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from marinemap.extraction.arrow_batches import Batch
from marinemap.extraction.clip import Clipped
from marinemap.extraction.formats.format import Format
from marinemap.extraction.formats.plan import WritePlan
from marinemap.extraction.formats.written import WrittenLayer
from marinemap.extraction.layer import PreparedLayer
from marinemap.extraction.measure import Measure, Measured
from marinemap.extraction.prefetch import prefetched
from marinemap.extraction.reproject import Moved, Reprojection


class Advance(Protocol):
    """Told the fraction done (0 to 1) and the features written; may raise to stop the work."""

    def __call__(self, fraction: float, features: int = 0) -> None:
        """Take it down."""


# Clipping runs beside writing; progress is told in the caller's own thread.
_BATCHES_AHEAD = 1


@dataclass
class Tally:
    """Counts of one pass over a layer."""

    read: int = 0
    repaired: int = 0
    not_finite: int = 0
    trimmed: int = 0
    without_position: int = 0
    straightened: int = 0
    torn: int = 0
    kept: int = 0
    measured: Measured = Measured()

    def add(self, read: Batch, cut: Clipped, moved: Moved, measured: Measured) -> None:
        """Count a batch."""
        self.read += len(read.geometries)
        self.without_position += read.nowhere
        self.straightened += read.straightened
        self.torn += moved.cut
        self.kept += len(cut.rows)
        self.repaired += cut.repaired
        self.not_finite += cut.not_finite
        self.trimmed += cut.trimmed
        self.measured += measured


@dataclass(frozen=True)
class Outcome:
    """What one pass wrote, and what it counted."""

    written: tuple[WrittenLayer, ...]
    tally: Tally


@dataclass(frozen=True)
class _Kept:
    """A batch after clipping: what was read, what became of it, what is left."""

    read: Batch
    cut: Clipped
    moved: Moved
    attributes: Any
    measured: Measured


def write(
    layer: PreparedLayer,
    reprojection: Reprojection,
    format_: Format,
    plan: WritePlan,
    advance: Advance,
) -> Outcome:
    """Write what the area holds of a layer into the plan's folder.

    Raises
    ------
    DatasetError
        If the source is broken.
    ServiceError
        If the result cannot be written.
    """
    source = layer.source
    tally = Tally(without_position=source.without_position)
    expected = source.expected or layer.dataset.feature_count or 1
    writer = format_.writer(plan)
    try:
        with prefetched(_kept(layer, reprojection), _BATCHES_AHEAD) as batches:
            for kept in batches:
                tally.add(kept.read, kept.cut, kept.moved, kept.measured)
                advance(min(1.0, tally.read / expected), tally.kept)
                writer.write(kept.moved.column, kept.attributes)
        if source.counts_not_finite:
            tally.not_finite = 0
        return Outcome(tuple(writer.close()), tally)
    except BaseException:
        writer.abandon()
        raise


def _kept(layer: PreparedLayer, reprojection: Reprojection) -> Generator[_Kept]:
    measure = Measure(layer.route.output)
    for batch in layer.source.batches():
        picked = layer.selection.pick(batch)
        cut = layer.clip(picked.geometries)
        every = len(cut.rows) == len(picked.geometries)
        attributes = picked.attributes if every else picked.attributes.take(pa.array(cut.rows))
        moved = reprojection.move(cut.column)
        yield _Kept(batch, cut, moved, attributes, measure.of(moved.column))
