"""One layer of a request, from its source to files and a report on them."""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import pyproj

from marinemap.extraction.areas.area import Area
from marinemap.extraction.extracts.layer_report import report_on
from marinemap.extraction.extracts.styles import find_styles
from marinemap.extraction.extracts.write import Advance, Outcome, write
from marinemap.extraction.formats import FULL_FORMAT, get_format
from marinemap.extraction.formats.plan import NO_DATE, WritePlan
from marinemap.extraction.formats.written import WrittenLayer
from marinemap.extraction.layers.layer import PreparedLayer, prepare
from marinemap.extraction.limits import LimitWatch, RunLimits
from marinemap.extraction.projection.reproject import Reprojection
from marinemap.extraction.request import ExtractionRequest, LayerReport, SourceLayer
from marinemap.extraction.sharing.division import Division
from marinemap.extraction.sharing.owner import OwnShare
from marinemap.extraction.sources.source_files import (
    SourceChangedError,
    content_version,
    fingerprint,
    real_path,
    unchanged,
)
from marinemap.extraction.sources.sqlite_source import is_database, snapshot

# After a change of the source, before it is read again.
_PAUSES_SECONDS = (0.1, 0.5)


@dataclass(frozen=True)
class LayerFiles:
    """What was made of a layer: the report, what was written, and all files by their names."""

    report: LayerReport
    written: tuple[WrittenLayer, ...]
    members: dict[str, Path]


@dataclass(frozen=True)
class LayerExtraction:
    """The work on one layer of a request.

    Parameters
    ----------
    request : ExtractionRequest
    number : int
        The layer's place among the request's.
    area : Area
    target : pyproj.CRS, optional
        The output CRS; the layer's own by default.
    folder : Path
        Where the files go.
    advance : callable
        Told the fraction done.
    division : Division, optional
        Who else may help.
    """

    request: ExtractionRequest
    number: int
    area: Area
    target: pyproj.CRS | None
    folder: Path
    advance: Advance
    division: Division | None = None

    def run(self) -> LayerFiles:
        """Extract the layer; again if its source changes meanwhile, a database at last from a copy.

        Raises
        ------
        RequestError, DatasetError, ServiceError
            As :func:`marinemap.extraction.extract` does.
        """
        source = self.request.layers[self.number]
        for pause_seconds in _PAUSES_SECONDS:
            try:
                return self._attempt(source)
            except SourceChangedError:
                # Who replaces a file may not be done yet.
                time.sleep(pause_seconds)
        if isinstance(source.path, Path) and is_database(real_path(source.path)):
            within = Path(tempfile.mkdtemp(prefix="source-", dir=self.folder))
            source = replace(source, path=snapshot(real_path(source.path), within))
            # Of the copy others know nothing.
            return replace(self, division=None)._attempt(source)
        return self._attempt(source)

    def _attempt(self, source: SourceLayer) -> LayerFiles:
        folder = Path(tempfile.mkdtemp(prefix=f"layer-{self.number}-", dir=self.folder))
        try:
            with unchanged(source.path) as place:
                source = replace(source, path=place)
                return self._extract(source, _version(source), folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _extract(self, source: SourceLayer, version: str, folder: Path) -> LayerFiles:
        request = self.request
        layer = prepare(source, self.area, request.mode, output=self.target)
        full: tuple[WrittenLayer, ...] = ()
        with self._shared(source, layer) as share:
            watched = self._watched(source, folder)
            outcome = self._write_as(request.format, layer, folder, watched, share)
            loses = any(written.losses for written in outcome.written)
            if loses and request.full_copy and request.format != FULL_FORMAT:
                full = self._write_as(FULL_FORMAT, layer, folder, self._stay, share).written
        written = (*outcome.written, *full)
        members = {name: path for each in written for name, path in each.members.items()}
        # Beside a copy of the source there are none.
        place = request.layers[self.number].path
        stems = [each.path.stem for each in outcome.written]
        members |= find_styles(place, layer.dataset.layer, stems)
        report = report_on(source, version, layer, outcome, full, members)
        return LayerFiles(report, written, members)

    def _shared(
        self, source: SourceLayer, layer: PreparedLayer
    ) -> AbstractContextManager[OwnShare | None]:
        if self.division is None:
            return nullcontext()
        return self.division.of_layer(self.number, source, self.request.mode, layer)

    def _watched(self, source: SourceLayer, folder: Path) -> Advance:
        """Return what moves on while the layer gives no more than it may."""
        limits = RunLimits(features=source.most_features, file_bytes=source.most_bytes)
        watch = LimitWatch(limits, folder, layer=source.name)

        def advance(fraction: float, features: int = 0) -> None:
            watch.check(features, thoroughly=fraction >= 1)
            self.advance(fraction, features)

        return advance

    def _stay(self, fraction: float, features: int = 0) -> None:
        self.advance(1.0, features)

    def _write_as(
        self,
        name: str,
        layer: PreparedLayer,
        folder: Path,
        advance: Advance,
        share: OwnShare | None,
    ) -> Outcome:
        within = folder / name
        within.mkdir()
        geometry_type = layer.dataset.geometry_type
        made_at = self.request.made_at
        plan = WritePlan(
            folder=within,
            name=self.request.file_names[self.number],
            schema=layer.selection.schema,
            crs=layer.route.output,
            geometry_type=geometry_type,
            has_z=geometry_type.startswith("3D "),
            made_on=made_at.date() if made_at else NO_DATE,
        )
        moving = Reprojection(layer.route)
        outcome = write(layer, moving, get_format(name), plan, advance, share)
        advance(1.0, outcome.tally.kept)
        return outcome


def _version(source: SourceLayer) -> str:
    """Return the version of what is read now, which may be newer than what the catalogue knows."""
    if not source.fingerprint or fingerprint(source.path) == source.fingerprint:
        return source.version
    return content_version(source.path)
