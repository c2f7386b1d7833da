"""Who else may help with an extraction, and with which of its layers."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from marinemap.errors import ServiceError
from marinemap.extraction.layers.layer import PreparedLayer
from marinemap.extraction.request import SourceLayer
from marinemap.extraction.sharing.owner import OwnShare
from marinemap.extraction.sharing.pieces import Pieces
from marinemap.extraction.sharing.plan import Plan


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Division:
    """How an extraction is shared with other processes.

    Parameters
    ----------
    folder : Path
        Where they find what is to be done, and leave what they made: empty, and for this run alone.
    least_features : int
        A layer of which fewer lie near the area is not shared.
    call : callable
        Told in how many pieces a layer is divided, when others may begin with them.
    is_wanted : callable, optional
        Asked between two pieces by who helps: whether there is something better to do.
    """

    folder: Path
    least_features: int
    call: Callable[[int], None]
    is_wanted: Callable[[], bool] = _never

    def __post_init__(self) -> None:
        if self.least_features < 1:
            raise ServiceError(
                f"'{self.least_features}' is no number of features, 1 or more",
                field="least_features",
                value=self.least_features,
            )

    @contextmanager
    def of_layer(
        self, number: int, source: SourceLayer, mode: str, layer: PreparedLayer
    ) -> Iterator[OwnShare | None]:
        """Share a layer while the block runs; yield None where it is read by this process alone."""
        if layer.source.steps < 2 or (layer.source.expected or 0) < self.least_features:
            yield None
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{number}-", dir=self.folder))
        try:
            plan = Plan.of(number, source, mode, layer)
            plan.write(folder)
            self.call(plan.pieces)
            yield OwnShare(layer.source, plan, Pieces(folder))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
