"""One layer on its way from its source into the files of a format: one bounded pass."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Protocol

from marinemap.extraction.formats.format import Format
from marinemap.extraction.formats.plan import WritePlan
from marinemap.extraction.formats.written import WrittenLayer
from marinemap.extraction.layers.kept import Keeper, Kept, Tally
from marinemap.extraction.layers.layer import PreparedLayer
from marinemap.extraction.left_out import LeftOut, check_readable_share
from marinemap.extraction.projection.reproject import Reprojection
from marinemap.extraction.reading.arrow_batches import Batch
from marinemap.extraction.reading.prefetch import prefetched
from marinemap.extraction.sharing.owner import OwnShare


class Advance(Protocol):
    """Told the fraction done (0 to 1) and the features written; may raise to stop the work."""

    def __call__(self, fraction: float, features: int = 0) -> None:
        """Take it down."""


# Clipping runs beside writing; progress is told in the caller's own thread.
_BATCHES_AHEAD = 1


@dataclass(frozen=True)
class Outcome:
    """What one pass wrote, and what it counted."""

    written: tuple[WrittenLayer, ...]
    tally: Tally


def write(
    layer: PreparedLayer,
    reprojection: Reprojection,
    format_: Format,
    plan: WritePlan,
    advance: Advance,
    share: OwnShare | None = None,
) -> Outcome:
    """Write what the area holds of a layer into the plan's folder.

    Where the layer is shared, what other processes have made is taken from them; the files are
    the same to the byte.

    Raises
    ------
    DatasetError
        If the source is broken, or more of what lies near the area cannot be read than can.
    ServiceError
        If the result cannot be written.
    """
    source = layer.source
    known = Tally(without_position=source.without_position, unreadable=source.unreadable)
    tally = Tally()
    expected = source.expected or layer.dataset.feature_count or 1
    writer = format_.writer(plan)
    try:
        with prefetched(_kept(layer, reprojection, share), _BATCHES_AHEAD) as batches:
            for kept in batches:
                tally += kept.tally if kept else Tally()
                done = tally.read / expected + (share.ahead if share else 0.0)
                advance(min(1.0, done), tally.kept)
                if kept:
                    writer.write(kept.geometries, kept.attributes)
        check_readable_share(source.name, tally.unreadable, tally.read)
        if source.counts_not_finite:
            tally = replace(tally, not_finite=LeftOut())
        return Outcome(tuple(writer.close()), known + tally)
    except BaseException:
        writer.abandon()
        raise


def _kept(
    layer: PreparedLayer, reprojection: Reprojection, share: OwnShare | None
) -> Generator[Kept | None]:
    """Yield what is left of each batch, and None while another process is waited for."""
    keeper = Keeper(layer, reprojection)
    if share is None:
        for batch in layer.source.batches():
            yield keeper.keep(batch)
        return
    with prefetched(share.found(), _BATCHES_AHEAD) as found:
        for each in found:
            yield keeper.keep(each) if isinstance(each, Batch) else each
