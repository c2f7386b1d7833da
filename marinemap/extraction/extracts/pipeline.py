"""One extraction from request to archive."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import shapely

from marinemap.errors import DatasetError, RequestError, ServiceError, UnavailableError
from marinemap.extraction.areas.area import Area, parse_area
from marinemap.extraction.extracts.archive import new_archive
from marinemap.extraction.extracts.layer_extraction import LayerExtraction, LayerFiles
from marinemap.extraction.extracts.report import Contents, write_readme, write_report
from marinemap.extraction.extracts.verify import verify
from marinemap.extraction.extracts.write import Advance
from marinemap.extraction.formats.written import WrittenLayer
from marinemap.extraction.limits import LimitWatch, RunLimitError, RunLimits
from marinemap.extraction.memory import give_memory_back
from marinemap.extraction.request import (
    ExtractionRequest,
    ExtractionResult,
    LayerFailure,
    SourceLayer,
)
from marinemap.extraction.sharing.division import Division
from marinemap.sentences import say

# Told the fraction done (0 to 1) and what is being done; may raise to stop the extraction.
Progress = Callable[[float, str], None]

# Reading, clipping and writing take about four fifths of the time, packing the rest.
_CLIPPING_SHARE = 0.8


def extract(
    request: ExtractionRequest,
    *,
    work_folder: Path | None = None,
    progress: Progress | None = None,
    limits: RunLimits | None = None,
    division: Division | None = None,
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
    limits : RunLimits, optional
        What the run may take; all that it needs by default.
    division : Division, optional
        Which other processes may help, by :func:`marinemap.extraction.help_extract`; the archive
        is the same to the byte.

    Returns
    -------
    ExtractionResult
        Where some of several layers fail, the others are delivered; ``failures`` says which are
        missing and why.

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
        raise RequestError(say("name the zip file to make"), field="destination")
    area = request.area if isinstance(request.area, Area) else parse_area(request.area)
    tell = _Teller(progress)
    give_memory_back()
    try:
        with tempfile.TemporaryDirectory(prefix="extract-", dir=work_folder) as folder:
            watch = LimitWatch(limits or RunLimits(), Path(folder))
            with _full_disk_told(watch):
                done, failures = _extract_layers(request, area, Path(folder), tell, watch, division)
                contents = Contents(request, area, [layer.report for layer in done], failures)
                size = _pack(contents, request.destination, done, tell, watch)
    except OSError as error:
        if error is tell.raised:
            raise
        raise ServiceError(
            f"the extract cannot be written: {error.strerror or error}",
            hint="Look whether the folders of results and of temporary files exist, may be "
            "written to, and have room.",
        ) from error
    return ExtractionResult(
        request.destination, size, tuple(contents.reports), area.notes, tuple(failures)
    )


@contextmanager
def _full_disk_told(watch: LimitWatch) -> Iterator[None]:
    """Look at the disk where writing failed: GDAL does not say that it is full, or writes less."""
    try:
        yield
    except UnavailableError:
        raise
    except ServiceError:
        watch.tell_full_disk()
        raise


def _extract_layers(
    request: ExtractionRequest,
    area: Area,
    folder: Path,
    tell: Progress,
    watch: LimitWatch,
    division: Division | None,
) -> tuple[list[LayerFiles], list[LayerFailure]]:
    """Extract each layer; one that fails does not keep the others from being delivered."""
    target = request.output_crs(area)
    done: list[LayerFiles] = []
    failures: list[LayerFailure] = []
    for number, source in enumerate(request.layers):
        before = sum(layer.report.features_written for layer in done)
        advance = _share(tell, watch, number, len(request.layers), source, before)
        work = LayerExtraction(request, number, area, target, folder, advance, division)
        try:
            done.append(work.run())
        except RunLimitError:
            raise
        except (RequestError, DatasetError) as error:
            if len(request.layers) == len(failures) + 1:
                raise
            failures.append(LayerFailure(source.name, str(error), error.hint or ""))
    return done, failures


def _share(
    tell: Progress, watch: LimitWatch, number: int, layers: int, source: SourceLayer, before: int
) -> Advance:
    """Return what moves through one layer's share of the whole."""
    message = f"Clipping {source.title or source.name}"

    def advance(fraction: float, features: int = 0) -> None:
        watch.check(before + features, thoroughly=fraction >= 1)
        tell(_CLIPPING_SHARE * (number + fraction) / layers, message)

    return advance


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


def _pack(
    contents: Contents,
    destination: Path,
    done: list[LayerFiles],
    tell: Progress,
    watch: LimitWatch,
) -> int:
    files = {name: path for layer in done for name, path in layer.members.items()}
    advance = _packing(tell, sum(file.stat().st_size for file in files.values()))
    features = sum(report.features_written for report in contents.reports)
    outline = shapely.to_geojson(contents.area.outline_4326, indent=1) + "\n"
    with new_archive(destination, contents.request.made_at) as archive:
        members = [archive.add_text("README.txt", write_readme(contents))]
        members.append(archive.add_text("area.geojson", outline))
        with _verified([layer for one in done for layer in one.written]):
            for name, path in files.items():
                members.append(archive.add(path, advance, name))
                watch.check(features)
        archive.add_text("report.json", write_report(contents, members))
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
