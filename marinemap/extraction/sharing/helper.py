"""The side of whoever helps: pieces are made, from the last on, while there is nothing better."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from marinemap.errors import ServiceError
from marinemap.extraction.areas.area import Area, parse_area
from marinemap.extraction.layers.kept import Keeper, Kept
from marinemap.extraction.layers.layer import PreparedLayer, prepare
from marinemap.extraction.limits import LimitWatch, RunLimits
from marinemap.extraction.memory import give_memory_back
from marinemap.extraction.projection.reproject import Reprojection
from marinemap.extraction.reading.arrow_batches import Batch
from marinemap.extraction.reading.prefetch import prefetched
from marinemap.extraction.request import ExtractionRequest
from marinemap.extraction.sharing.kept_file import write_kept
from marinemap.extraction.sharing.pieces import Claim, Pieces
from marinemap.extraction.sharing.plan import Plan, find_plans
from marinemap.extraction.sources.source_files import in_its_state

_BATCHES_AHEAD = 1


def help_extract(
    request: ExtractionRequest,
    folder: Path,
    progress: Callable[[], None] | None = None,
    limits: RunLimits | None = None,
    is_wanted: Callable[[], bool] | None = None,
) -> int:
    """Make pieces of an extraction that another process runs; return how many were made here.

    Parameters
    ----------
    request : ExtractionRequest
        The same as that process runs.
    folder : Path
        Of its :class:`~marinemap.extraction.sharing.division.Division`.
    progress : callable, optional
        Called with each batch; what it raises stops the work and reaches the caller.
    limits : RunLimits, optional
        What the help may take: time, memory, room of all pieces in the folder.
    is_wanted : callable, optional
        Asked between two pieces whether there is something better to do: then the help ends.

    Raises
    ------
    MarineMapError, OSError
        If a piece cannot be made, as :func:`marinemap.extraction.extract` says, or the other
        process is done. It makes what is left here itself.
    """
    give_memory_back()
    area = request.area if isinstance(request.area, Area) else parse_area(request.area)
    watch = LimitWatch(limits or RunLimits(), folder)

    def advance() -> None:
        watch.check(0, thoroughly=False)
        if progress:
            progress()

    made = 0
    for place, plan in find_plans(folder).items():
        for _ in _Help(request, area, plan, place, advance).pieces():
            made += 1
            if is_wanted and is_wanted():
                return made
    return made


class _Help:
    """The help with one layer."""

    def __init__(
        self,
        request: ExtractionRequest,
        area: Area,
        plan: Plan,
        place: Path,
        advance: Callable[[], None],
    ) -> None:
        self._request = request
        self._area = area
        self._plan = plan
        self._pieces = Pieces(place)
        self._advance = advance

    def pieces(self) -> Iterator[int]:
        """Make pieces until none is left, and yield their numbers; none if others here."""
        layer = self._prepared()
        if layer is None:
            return
        # The owner of the work goes through them from the first on.
        for number in reversed(range(self._plan.pieces)):
            claim = self._pieces.claim(number)
            if claim is None:
                continue
            try:
                self._make(number, layer, claim)
            finally:
                claim.release()
            yield number

    def _prepared(self) -> PreparedLayer | None:
        number, mode = self._plan.layer, self._request.mode
        if number >= len(self._request.layers):
            return None
        source = self._request.layers[number]
        # The owner's, or the plan is another.
        source = replace(source, path=in_its_state(source.path))
        target = self._request.output_crs(self._area)
        layer = prepare(source, self._area, mode, output=target)
        return layer if Plan.of(number, source, mode, layer) == self._plan else None

    def _make(self, number: int, layer: PreparedLayer, claim: Claim) -> None:
        steps = layer.source.take_steps(*self._plan.steps_of(number))
        with self._pieces.new_result(number) as path, prefetched(steps, _BATCHES_AHEAD) as batches:
            try:
                write_kept(path, self._kept(batches, layer, claim))
            except pa.ArrowException as error:
                raise ServiceError(f"a piece cannot be kept in a file: {error}") from error

    def _kept(self, batches: Iterator[Batch], layer: PreparedLayer, claim: Claim) -> Iterator[Kept]:
        keeper = Keeper(layer, Reprojection(layer.route))
        for batch in batches:
            self._advance()
            claim.show_life()
            yield keeper.keep(batch)
