"""The side of whoever makes the files: each piece is taken from another, or made here."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import pyarrow as pa

from marinemap.extraction.layers.kept import Kept
from marinemap.extraction.reading.arrow_batches import Batch
from marinemap.extraction.reading.read import Source
from marinemap.extraction.sharing.kept_file import read_kept
from marinemap.extraction.sharing.pieces import Pieces
from marinemap.extraction.sharing.plan import Plan

_POLL_SECONDS = 0.02
# Whoever makes a piece shows life with each batch; one that is silent for longer is not waited for.
_SILENT_SECONDS = 20.0
_COUNT_EVERY_SECONDS = 0.5


class OwnShare:
    """What is found of a layer's pieces, in their order.

    Nothing here waits for work that has not begun: a piece that nobody makes is made here.

    Parameters
    ----------
    source : Source
    plan : Plan
    pieces : Pieces
    """

    def __init__(self, source: Source, plan: Plan, pieces: Pieces) -> None:
        self._source = source
        self._plan = plan
        self._pieces = pieces
        self._next = 0
        self._ahead = 0.0
        self._counted_at = float("-inf")

    @property
    def ahead(self) -> float:
        """Which share of the layer others have made that is not in the files yet."""
        now = time.monotonic()
        if now - self._counted_at >= _COUNT_EVERY_SECONDS:
            self._counted_at = now
            self._ahead = self._pieces.count_results(self._next + 1) / self._plan.pieces
        return self._ahead

    def found(self) -> Iterator[Batch | Kept | None]:
        """Yield what others have kept, and batches of pieces to be made here; None amid waiting."""
        for number in range(self._plan.pieces):
            self._next = number
            yield from self._waited_for(number)
            yield from self._piece(number)

    def _waited_for(self, number: int) -> Iterator[None]:
        """Wait while another makes a piece; return when it is made, or to be made here."""
        seen, since = 0, time.monotonic()
        while not self._pieces.result(number).exists():
            claim = self._pieces.claim(number)
            if claim is not None:
                claim.take()
                claim.release()
            if self._pieces.is_taken(number):
                return
            now_seen = self._pieces.seen_at(number)
            if now_seen != seen:
                seen, since = now_seen, time.monotonic()
            elif time.monotonic() - since > _SILENT_SECONDS:
                return
            yield None
            time.sleep(_POLL_SECONDS)

    def _piece(self, number: int) -> Iterator[Batch | Kept]:
        count = 0
        path = self._pieces.result(number)
        if path.exists():
            try:
                for kept in read_kept(path):
                    yield kept
                    count += 1
                return
            except (pa.ArrowException, OSError):
                # A disk on another machine may lose it: what is missing is made here.
                path.unlink(missing_ok=True)
        steps = self._source.take_steps(*self._plan.steps_of(number))
        yield from itertools.islice(steps, count, None)
