"""One extraction from request to archive."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pyproj
import shapely

from marinemap.errors import RequestError, ServiceError
from marinemap.extraction.archive import new_archive
from marinemap.extraction.area import Area, parse_area
from marinemap.extraction.crs import crs_label
from marinemap.extraction.dataset import (
    SourceChangedError,
    content_version,
    fingerprint,
    real_path,
    unchanged,
)
from marinemap.extraction.formats import FULL_FORMAT, get_format
from marinemap.extraction.formats.plan import NO_DATE, WritePlan
from marinemap.extraction.formats.written import WrittenLayer
from marinemap.extraction.layer import PreparedLayer, prepare
from marinemap.extraction.memory import give_memory_back
from marinemap.extraction.report import write_readme, write_report
from marinemap.extraction.reproject import TOLERANCE_METRES, Reprojection
from marinemap.extraction.request import (
    ExtractionRequest,
    ExtractionResult,
    LayerReport,
    SourceLayer,
)
from marinemap.extraction.sqlite_source import is_database, snapshot
from marinemap.extraction.verify import verify
from marinemap.extraction.write import Advance, Outcome, Tally, write

# Told the fraction done (0 to 1) and what is being done; may raise to stop the extraction.
Progress = Callable[[float, str], None]

# Reading, clipping and writing take about four fifths of the time, packing the rest.
_CLIPPING_SHARE = 0.8
# After a change of the source, before it is read again.
_PAUSES_SECONDS = (0.1, 0.5)


def extract(
    request: ExtractionRequest,
    *,
    work_folder: Path | None = None,
    progress: Progress | None = None,
) -> ExtractionResult:
    """Clip layers to an area and pack them into a zip.

    The archive at ``request.destination`` appears whole or not at all, and nothing else is left
    on disk, whether the extraction succeeds, fails or is stopped.

    Parameters
    ----------
    request : ExtractionRequest
    work_folder : Path, optional
        Where temporary files go; by default the system's.
    progress : callable, optional
        Called with the fraction done (0 to 1, never falling) and a few words, several times a
        second. What it raises stops the extraction and reaches the caller.

    Raises
    ------
    RequestError
        If the area, the CRS, a field or a filter cannot be used, or no destination is named.
    DatasetError
        If a source is missing, broken or unreadable, or changes while it is read.
    ServiceError
        If the result cannot be written, or differs when read back.
    """
    if request.destination is None:
        raise RequestError("name the zip file to make", field="destination")
    area = request.area if isinstance(request.area, Area) else parse_area(request.area)
    target = request.output_crs(area)
    tell = _Teller(progress)
    give_memory_back()
    try:
        with tempfile.TemporaryDirectory(prefix="extract-", dir=work_folder) as folder:
            done = []
            for number in range(len(request.layers)):
                done.append(_extract_steadily(request, number, area, target, Path(folder), tell))
            size = _pack(request, request.destination, area, done, tell)
    except OSError as error:
        if error is tell.raised:
            raise
        raise ServiceError(
            f"the extract cannot be written: {error.strerror or error}",
            hint="Look whether the folders of results and of temporary files exist, may be "
            "written to, and have room.",
        ) from error
    return ExtractionResult(
        request.destination, size, tuple(layer.report for layer in done), area.notes
    )


class _Teller:
    """Tells the progress, and keeps what that raised: the caller's own error, not the disk's."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._highest = 0.0
        self.raised: BaseException | None = None

    def __call__(self, fraction: float, message: str) -> None:
        if self._progress is None:
            return
        # A layer that is read again begins anew.
        self._highest = max(self._highest, fraction)
        try:
            self._progress(self._highest, message)
        except BaseException as error:
            self.raised = error
            raise


@dataclass(frozen=True)
class _Done:
    report: LayerReport
    written: tuple[WrittenLayer, ...]

    @property
    def members(self) -> dict[str, Path]:
        return _members(self.written)


def _extract_steadily(
    request: ExtractionRequest,
    number: int,
    area: Area,
    target: pyproj.CRS | None,
    folder: Path,
    tell: Progress,
) -> _Done:
    """Extract a layer; again if its source changes meanwhile, a database at last from a copy."""
    source = request.layers[number]
    for pause_seconds in _PAUSES_SECONDS:
        try:
            return _extract_layer(request, number, source, area, target, folder, tell)
        except SourceChangedError:
            # Who replaces a file may not be done yet.
            time.sleep(pause_seconds)
    if is_database(real_path(source.path)):
        within = Path(tempfile.mkdtemp(prefix="source-", dir=folder))
        source = replace(source, path=snapshot(real_path(source.path), within))
    return _extract_layer(request, number, source, area, target, folder, tell)


def _extract_layer(
    request: ExtractionRequest,
    number: int,
    source: SourceLayer,
    area: Area,
    target: pyproj.CRS | None,
    folder: Path,
    tell: Progress,
) -> _Done:
    with unchanged(source.path):
        version = _version(source)
        done = _write_layer(request, number, source, area, target, folder, tell)
    return replace(done, report=replace(done.report, source_version=version))


def _version(source: SourceLayer) -> str:
    """Return the version of what is read now, which may be newer than what the catalogue knows."""
    if not source.fingerprint or fingerprint(source.path) == source.fingerprint:
        return source.version
    return content_version(source.path)


def _write_layer(
    request: ExtractionRequest,
    number: int,
    source: SourceLayer,
    area: Area,
    target: pyproj.CRS | None,
    folder: Path,
    tell: Progress,
) -> _Done:
    layer = prepare(source, area, request.mode, output=target)
    reprojection = Reprojection(layer.route)

    def write_as(name: str, advance: Advance) -> Outcome:
        within = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=folder))
        plan = _plan(request, number, layer, within)
        return write(layer, reprojection, get_format(name), plan, advance)

    advance = _share(tell, number, len(request.layers), f"Clipping {source.title or source.name}")
    outcome = write_as(request.format, advance)
    loses = any(written.losses for written in outcome.written)
    full: tuple[WrittenLayer, ...] = ()
    if loses and request.full_copy and request.format != FULL_FORMAT:
        full = write_as(FULL_FORMAT, lambda fraction: advance(1.0)).written
    report = _report(request, number, layer, outcome, full)
    return _Done(report, (*outcome.written, *full))


def _plan(
    request: ExtractionRequest,
    number: int,
    layer: PreparedLayer,
    folder: Path,
) -> WritePlan:
    geometry_type = layer.dataset.geometry_type
    return WritePlan(
        folder=folder,
        name=request.file_names[number],
        schema=layer.selection.schema,
        crs=layer.route.output,
        geometry_type=geometry_type,
        has_z=geometry_type.startswith("3D "),
        made_on=request.made_at.date() if request.made_at else NO_DATE,
    )


def _share(tell: Progress, number: int, layers: int, message: str) -> Advance:
    """Return what moves through one layer's share of the whole."""
    return lambda fraction: tell(_CLIPPING_SHARE * (number + fraction) / layers, message)


def _pack(
    request: ExtractionRequest, destination: Path, area: Area, done: list[_Done], tell: Progress
) -> int:
    files = {name: path for layer in done for name, path in layer.members.items()}
    reports = list(zip(request.layers, (layer.report for layer in done), strict=True))
    advance = _packing(tell, sum(file.stat().st_size for file in files.values()))
    outline = shapely.to_geojson(area.outline_4326, indent=1) + "\n"
    with new_archive(destination, request.made_at) as archive:
        members = [archive.add_text("README.txt", write_readme(request, area, reports))]
        members.append(archive.add_text("area.geojson", outline))
        with _verified([layer for one in done for layer in one.written]):
            members += [archive.add(path, advance, name) for name, path in files.items()]
        archive.add_text("report.json", write_report(request, area, reports, members))
        # Who stops the work even now is left without an archive.
        tell(1.0, "Done")
    return destination.stat().st_size


@contextmanager
def _verified(layers: Sequence[WrittenLayer]) -> Iterator[None]:
    """Read files back beside the work in the block, which ends only when all are found right."""
    with ThreadPoolExecutor(1) as pool:
        checks = [pool.submit(verify, layer) for layer in layers]
        try:
            yield
            for check in checks:
                check.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _packing(tell: Progress, total: int) -> Callable[[int], None]:
    packed = 0

    def advance(count: int) -> None:
        nonlocal packed
        packed += count
        share = packed / max(total, 1)
        tell(_CLIPPING_SHARE + (0.99 - _CLIPPING_SHARE) * share, "Packing the archive")

    return advance


def _members(written: Iterable[WrittenLayer]) -> dict[str, Path]:
    """Return the files by their names in the archive."""
    return {name: path for layer in written for name, path in layer.members.items()}


def _report(
    request: ExtractionRequest,
    number: int,
    layer: PreparedLayer,
    outcome: Outcome,
    full: tuple[WrittenLayer, ...],
) -> LayerReport:
    source, written, tally = request.layers[number], outcome.written, outcome.tally
    route = layer.route
    return LayerReport(
        name=source.name,
        files=tuple(_members((*written, *full))),
        crs=crs_label(route.output),
        features_read=tally.read,
        features_written=sum(layer.features for layer in written),
        renamed_fields={old: new for old, new in written[0].fields.items() if old != new},
        notes=tuple(_notes(source, layer, tally, written, full)),
        losses=tuple(loss for layer in written for loss in layer.losses),
        repaired=tally.repaired,
        not_finite=tally.not_finite,
        trimmed=tally.trimmed,
        without_position=tally.without_position,
        straightened=tally.straightened,
        transformation=route.name,
        area_transformation=route.area_name,
        accuracy_m=route.accuracy_m,
        area_tolerance_m=layer.area_tolerance_m,
        tolerance_m=TOLERANCE_METRES if route.moves else None,
        full_copy=full[0].path.name if full else "",
        crs_wkt=route.output.to_wkt("WKT2_2019"),
    )


def _notes(
    source: SourceLayer,
    layer: PreparedLayer,
    tally: Tally,
    written: Sequence[WrittenLayer],
    full: Sequence[WrittenLayer],
) -> list[str]:
    """Return what a person should know, in sentences."""
    notes = [loss.detail for layer in written for loss in layer.losses]
    if not any(layer.features for layer in written):
        passing = "" if source.filter is None else " and passes the filter"
        notes.append(f"No feature of this layer lies within the area{passing}; the file is empty.")
    notes += layer.route.warnings
    if tally.torn:
        notes.append(
            f"{tally.torn:,} features lie on both sides of where {crs_label(layer.route.output)} "
            "ends; they were cut there."
        )
    if tally.repaired:
        notes.append(f"{tally.repaired:,} features on the edge were not valid and were repaired.")
    if tally.not_finite:
        notes.append(
            f"{tally.not_finite:,} features are left out: a coordinate is no finite number."
        )
    if tally.without_position:
        notes.append(
            f"{tally.without_position:,} features of the layer lie nowhere and are left out: they "
            "have no geometry, an empty one, or coordinates that are no numbers."
        )
    if tally.straightened:
        notes.append(
            f"{tally.straightened:,} features with arcs or surfaces were read as lines and "
            "polygons that follow the arcs to a centimetre."
        )
    if tally.trimmed:
        notes.append(
            f"{tally.trimmed:,} features lost lines or points where they only touch the area."
        )
    if full:
        notes.append(f"{full[0].path.name} holds the same features with nothing lost.")
    return notes
