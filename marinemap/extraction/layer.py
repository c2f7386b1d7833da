"""One layer on its way through reading, clipping and writing."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyproj

from marinemap.extraction.area import Area
from marinemap.extraction.clip import Clipped, Clipper
from marinemap.extraction.dataset import Dataset
from marinemap.extraction.formats import open_writer
from marinemap.extraction.formats.plan import NO_DATE, IntegersNeedText, WritePlan
from marinemap.extraction.formats.written import WrittenLayer
from marinemap.extraction.near import area_near
from marinemap.extraction.prefetch import prefetched
from marinemap.extraction.read import Batch, Source, open_source
from marinemap.extraction.reproject import Reprojection
from marinemap.extraction.request import ExtractionRequest, SourceLayer
from marinemap.extraction.selection import Selection
from marinemap.extraction.wkb import to_column, to_geometries

# Told the fraction done (0 to 1) and what is being done; may raise to stop the extraction.
Progress = Callable[[float, str], None]

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

    def add(self, read: int, cut: Clipped) -> None:
        """Count a batch."""
        self.read += read
        self.repaired += cut.repaired
        self.not_finite += cut.not_finite
        self.trimmed += cut.trimmed


@dataclass(frozen=True)
class _Clipped:
    """A batch after clipping: how many were read, what became of them, what is left."""

    read: int
    cut: Clipped
    kept: Batch


@dataclass
class LayerRun:
    """Everything that one layer of a request needs, and what was counted.

    Parameters
    ----------
    source : SourceLayer
    dataset : Dataset
    area : Area
    request : ExtractionRequest
    target : pyproj.CRS, optional
        The output CRS; the layer's own by default.
    file_name : str
        Names the files, without a suffix.
    """

    source: SourceLayer
    dataset: Dataset
    area: Area
    request: ExtractionRequest
    target: pyproj.CRS | None
    file_name: str
    tally: Tally = field(default_factory=Tally)
    reprojection: Reprojection = field(init=False)
    selection: Selection = field(init=False)

    def __post_init__(self) -> None:
        self.reprojection = Reprojection(self.own_crs, self.crs, self.area.bounds_4326)

    @property
    def crs(self) -> pyproj.CRS:
        """The CRS of the result."""
        return self.target or self.own_crs

    @property
    def own_crs(self) -> pyproj.CRS:
        """The CRS of the source."""
        return pyproj.CRS.from_user_input(self.dataset.crs)

    def write(self, folder: Path, format_name: str, tell: Progress) -> list[WrittenLayer]:
        """Write the layer's features into a folder.

        Raises
        ------
        DatasetError
            If the source is broken.
        ServiceError
            If the result cannot be written.
        """
        area = area_near(self.area, self.own_crs, self.dataset.bounds)
        clipper = Clipper(area, self.request.mode, self.dataset.feature_count, self.dataset.title)
        boxes = clipper.grid.cover()
        self.selection = Selection.of(self.source, open_source(self.dataset, boxes).schema())
        near = clipper.grid.touches
        source = open_source(self.dataset, boxes, self.selection.columns, near)
        as_text: frozenset[str] = frozenset()
        while True:
            try:
                written = self._write_once(folder, format_name, source, clipper, as_text, tell)
                break
            except IntegersNeedText as need:
                as_text |= {need.field}
        return written

    def _write_once(
        self,
        folder: Path,
        format_name: str,
        source: Source,
        clipper: Clipper,
        as_text: frozenset[str],
        tell: Progress,
    ) -> list[WrittenLayer]:
        self.tally = Tally(without_position=source.without_position)
        message = f"Clipping {self.source.title or self.source.name}"
        expected = source.expected or self.dataset.feature_count or 1
        writer = open_writer(format_name, self._plan(folder, as_text))
        try:
            with prefetched(self._clipped(source, clipper), _BATCHES_AHEAD) as batches:
                for batch in batches:
                    self.tally.add(batch.read, batch.cut)
                    tell(min(1.0, self.tally.read / expected), message)
                    writer.write(batch.kept.geometries, batch.kept.attributes)
            if source.counts_not_finite:
                self.tally.not_finite = 0
            return writer.close()
        except BaseException:
            writer.abandon()
            raise

    def _plan(self, folder: Path, as_text: frozenset[str]) -> WritePlan:
        made_at = self.request.made_at
        return WritePlan(
            folder=folder,
            name=self.file_name,
            schema=self.selection.schema,
            crs=self.crs,
            geometry_type=self.dataset.geometry_type,
            has_z=self.dataset.geometry_type.startswith("3D "),
            made_on=made_at.date() if made_at else NO_DATE,
            as_text=as_text,
        )

    def _clipped(self, source: Source, clipper: Clipper) -> Generator[_Clipped]:
        for batch in source.batches():
            picked = self.selection.pick(batch)
            cut = clipper.clip(picked.geometries)
            every = len(cut.rows) == len(picked.geometries)
            kept = picked.attributes if every else picked.attributes.take(pa.array(cut.rows))
            yield _Clipped(len(batch.geometries), cut, Batch(self._moved(cut.column), kept))

    def _moved(self, column: Any) -> Any:
        """Return the geometries in the output CRS."""
        if not self.reprojection.is_needed or len(column) == 0:
            return column
        return to_column(self.reprojection.move(to_geometries(column)))
