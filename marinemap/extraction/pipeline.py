"""One extraction from request to archive."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pyproj
import shapely

from marinemap.extraction.archive import new_archive
from marinemap.extraction.area import Area, parse_area
from marinemap.extraction.crs import CRS84, check_fits, crs_label, parse_crs
from marinemap.extraction.dataset import describe
from marinemap.extraction.formats.written import WrittenLayer
from marinemap.extraction.layer import LayerRun, Progress
from marinemap.extraction.report import write_readme, write_report
from marinemap.extraction.request import ExtractionRequest, ExtractionResult, LayerReport

# Reading, clipping and writing take about four fifths of the time, packing the rest.
_CLIPPING_SHARE = 0.8


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
        If the area, the CRS, a field or a filter cannot be used.
    DatasetError
        If a source is missing, broken or unreadable, or changes while it is read.
    ServiceError
        If the result cannot be written, or differs when read back.
    """
    area = request.area if isinstance(request.area, Area) else parse_area(request.area)
    target = parse_crs(request.crs) if request.crs else None
    if target is not None:
        check_fits(target, area.bounds_4326, "crs")
    tell = progress or (lambda fraction, message: None)
    with tempfile.TemporaryDirectory(prefix="extract-", dir=work_folder) as folder:
        done = [
            _extract_layer(request, number, area, target, Path(folder), tell)
            for number in range(len(request.layers))
        ]
        size = _pack(request, area, done, tell)
    tell(1.0, "Done")
    return ExtractionResult(
        request.destination, size, tuple(layer.report for layer in done), area.notes
    )


@dataclass(frozen=True)
class _Done:
    report: LayerReport
    files: tuple[Path, ...]


def _extract_layer(
    request: ExtractionRequest,
    number: int,
    area: Area,
    target: pyproj.CRS | None,
    folder: Path,
    tell: Progress,
) -> _Done:
    source = request.layers[number]
    run = LayerRun(source, describe(source.path, source.layer), area, request, target)
    written = run.write(folder, request.format, _share(tell, number, len(request.layers)))
    files = tuple(file for layer in written for file in layer.files)
    return _Done(_report(run, written, files), files)


def _share(tell: Progress, number: int, layers: int) -> Progress:
    """Return a progress that moves through one layer's share of the whole."""
    return lambda fraction, message: tell(_CLIPPING_SHARE * (number + fraction) / layers, message)


def _pack(request: ExtractionRequest, area: Area, done: list[_Done], tell: Progress) -> int:
    files = [file for layer in done for file in layer.files]
    reports = list(zip(request.layers, (layer.report for layer in done), strict=True))
    advance = _packing(tell, sum(file.stat().st_size for file in files))
    outline = shapely.to_geojson(area.in_crs(parse_crs(CRS84)), indent=1) + "\n"
    with new_archive(request.destination, request.made_at) as archive:
        members = [archive.add_text("README.txt", write_readme(reports, area, request.made_at))]
        members.append(archive.add_text("area.geojson", outline))
        members += [archive.add(file, advance) for file in files]
        archive.add_text("report.json", write_report(request, area, reports, members))
    return request.destination.stat().st_size


def _packing(tell: Progress, total: int) -> Callable[[int], None]:
    packed = 0

    def advance(count: int) -> None:
        nonlocal packed
        packed += count
        share = packed / max(total, 1)
        tell(_CLIPPING_SHARE + (0.99 - _CLIPPING_SHARE) * share, "Packing the archive")

    return advance


def _report(run: LayerRun, written: list[WrittenLayer], files: Iterable[Path]) -> LayerReport:
    features = sum(layer.features for layer in written)
    losses = tuple(loss for layer in written for loss in layer.losses)
    notes = [loss.detail for loss in losses]
    if not features:
        notes.append("No feature of this layer lies within the area; the file is empty.")
    if run.tally.repaired:
        notes.append(
            f"{run.tally.repaired:,} features on the edge were not valid and were repaired."
        )
    return LayerReport(
        name=run.source.name,
        files=tuple(file.name for file in files),
        crs=crs_label(run.target or run.own_crs),
        features_read=run.tally.read,
        features_written=features,
        renamed_fields={o: n for o, n in written[0].fields.items() if o != n},
        notes=tuple(notes),
    )
