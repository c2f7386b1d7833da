"""One extraction from request to archive."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyproj
import shapely

from marinemap.extraction.archive import write_archive
from marinemap.extraction.area import Area, parse_area
from marinemap.extraction.clip import clip
from marinemap.extraction.crs import CRS84, check_fits, crs_label, parse_crs, reproject
from marinemap.extraction.dataset import Dataset, describe
from marinemap.extraction.formats.shapefile import WrittenShapefile, write_shapefile
from marinemap.extraction.read import open_batches
from marinemap.extraction.report import write_readme
from marinemap.extraction.request import (
    ExtractionRequest,
    ExtractionResult,
    LayerReport,
    SourceLayer,
)
from marinemap.extraction.verify import verify

# Told the fraction done (0 to 1) and what is being done; may raise to stop the extraction.
Progress = Callable[[float, str], None]

_DIMENSIONS = {"Point": (0,), "LineString": (1,), "LinearRing": (1,), "Polygon": (2,)}
_SUFFIXES = {0: "_point", 1: "_line", 2: "_polygon"}


def extract(
    request: ExtractionRequest,
    *,
    work_folder: Path | None = None,
    progress: Progress | None = None,
) -> ExtractionResult:
    """Clip layers to an area and pack them as zipped shapefiles.

    The archive at ``request.destination`` appears whole or not at all, and nothing else is left
    on disk, whether the extraction succeeds, fails or is stopped.

    Parameters
    ----------
    request : ExtractionRequest
    work_folder : Path, optional
        Where temporary files go; by default the system's.
    progress : callable, optional
        Called with the fraction done (0 to 1, never falling) and a few words. What it raises
        stops the extraction and reaches the caller.

    Raises
    ------
    RequestError
        If the area or the CRS cannot be used.
    DatasetError
        If a source is missing, broken or unreadable.
    ServiceError
        If the result cannot be written, or differs when read back.
    """
    area = request.area if isinstance(request.area, Area) else parse_area(request.area)
    target = parse_crs(request.crs) if request.crs else None
    if target is not None:
        check_fits(target, area.bounds_4326, "crs")
    tell = progress or (lambda fraction, message: None)
    with tempfile.TemporaryDirectory(prefix="extract-", dir=work_folder) as folder:
        reports = []
        files: list[Path] = []
        for number, source in enumerate(request.layers):
            run = _LayerRun(source, describe(source.path, source.layer), area, target)
            report, written = run.extract(Path(folder), _share(tell, number, len(request.layers)))
            reports.append(report)
            files += written
        tell(0.97, "Packing the archive")
        texts = {
            "README.txt": write_readme(
                zip(request.layers, reports, strict=True), area, datetime.now(UTC)
            ),
            "area.geojson": shapely.to_geojson(area.in_crs(parse_crs(CRS84)), indent=1) + "\n",
        }
        size = write_archive(request.destination, files, texts)
    tell(1.0, "Done")
    return ExtractionResult(request.destination, size, tuple(reports), area.notes)


def _share(tell: Progress, number: int, layers: int) -> Progress:
    """Return a progress that moves through one layer's share of the whole."""
    return lambda fraction, message: tell(0.96 * (number + fraction) / layers, message)


@dataclass
class _LayerRun:
    """One layer on its way through reading, clipping, writing and verifying."""

    source: SourceLayer
    dataset: Dataset
    area: Area
    target: pyproj.CRS | None
    features_read: int = 0
    repaired: int = 0

    def extract(self, folder: Path, tell: Progress) -> tuple[LayerReport, list[Path]]:
        written = self._write_all(folder, tell)
        files: list[Path] = []
        for shapefile in written:
            verify(shapefile)
            files += shapefile.files
        return self._report(written, files), files

    def _write_all(self, folder: Path, tell: Progress) -> list[WrittenShapefile]:
        kind = self.dataset.geometry_type.removeprefix("3D ").removeprefix("Multi")
        dimensions = _DIMENSIONS.get(kind, (0, 1, 2))
        if len(dimensions) == 1:
            return [self._write(folder / f"{self.source.name}.shp", dimensions[0], tell)]
        every = []
        for dimension in dimensions:
            path = folder / f"{self.source.name}{_SUFFIXES[dimension]}.shp"
            every.append(self._write(path, dimension, _share(tell, dimension, 3)))
        # A layer of mixed types becomes a file for each type that it holds; polygons stand
        # for a layer that holds nothing here.
        return [shapefile for shapefile in every if shapefile.features] or every[-1:]

    def _write(self, path: Path, dimension: int, tell: Progress) -> WrittenShapefile:
        own_crs = pyproj.CRS.from_user_input(self.dataset.crs)
        target = self.target or own_crs
        area = self.area.in_crs(own_crs)
        self.features_read = 0
        with open_batches(self.dataset, area.bounds) as batches:
            clipped = self._clipped(batches, area, dimension, tell)
            return write_shapefile(
                path,
                ((reproject(g, own_crs, target), attributes) for g, attributes in clipped),
                batches.schema,
                dimension=dimension,
                crs=target,
                has_z=self.dataset.geometry_type.startswith("3D "),
                multipoint=self.dataset.geometry_type.removeprefix("3D ") != "Point",
            )

    def _clipped(
        self, batches: Any, area: Any, dimension: int, tell: Progress
    ) -> Iterator[tuple[Any, Any]]:
        title = self.source.title or self.source.name
        for geometries, attributes in batches:
            cut = clip(geometries, area, dimension)
            self.features_read += len(geometries)
            self.repaired += cut.repaired
            tell(min(1.0, self.features_read / self.dataset.feature_count), f"Clipping {title}")
            kept = ~shapely.is_missing(cut.geometries)
            yield cut.geometries[kept], attributes.filter(pa.array(kept))

    def _report(self, written: list[WrittenShapefile], files: list[Path]) -> LayerReport:
        notes = [note for shapefile in written for note in shapefile.notes]
        features = sum(shapefile.features for shapefile in written)
        if not features:
            notes.append("No feature of this layer lies within the area; the file is empty.")
        if self.repaired:
            notes.append(f"{self.repaired} features on the edge were not valid and were repaired.")
        return LayerReport(
            name=self.source.name,
            files=tuple(file.name for file in files),
            crs=crs_label(self.target or pyproj.CRS.from_user_input(self.dataset.crs)),
            features_read=self.features_read,
            features_written=features,
            renamed_fields=written[0].renamed_fields,
            notes=tuple(notes),
        )
