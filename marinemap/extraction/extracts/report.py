"""The README in the archive: what is in it, from where, and under which terms."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from typing import Any

from marinemap import __version__
from marinemap.extraction.areas.area import Area
from marinemap.extraction.extracts.archive import Member
from marinemap.extraction.formats import get_format
from marinemap.extraction.request import (
    ExtractionRequest,
    LayerFailure,
    LayerReport,
    SourceLayer,
)

_RULE = "-" * 72
_BREAKS = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029]")
_MODES_IN_WORDS = {
    "clip": "cut at the edge of the area",
    "intersects": "whole, where they touch the area",
    "within": "whole, where they lie in the area",
}


@dataclasses.dataclass(frozen=True)
class Contents:
    """What an archive holds: a report on each layer that is in it, and those that are missing."""

    request: ExtractionRequest
    area: Area
    reports: Sequence[LayerReport]
    failures: Sequence[LayerFailure] = ()

    @property
    def layers(self) -> list[tuple[SourceLayer, LayerReport]]:
        """Return each layer that is in the archive, as it was asked for, with its report."""
        asked = {layer.name: layer for layer in self.request.layers}
        return [(asked[report.name], report) for report in self.reports]


def write_readme(contents: Contents) -> str:
    """Return the README of an archive as text, for a person: what is missing comes first."""
    request, area = contents.request, contents.area
    made_at = request.made_at
    format_ = get_format(request.format)
    west, south, east, north = area.bounds_4326
    lines = [
        "MarineMap extract",
        "=================",
        "",
        *_missing_lines(contents.failures),
        *([f"Made:  {made_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"] if made_at else []),
        f"Area:  longitude {west:.6f} to {east:.6f}, latitude {south:.6f} to {north:.6f} degrees;",
        f"       {_corners(area)} corners; the exact outline is in area.geojson",
        *(f"Note:  {note}" for note in area.notes),
        f"Features are {_MODES_IN_WORDS[request.mode]}. The format is {format_.title}.",
        "",
        *format_.readme,
        "report.json says the same as this file for programs, with the SHA-256 of each file and",
        "the request, so that it can be asked again.",
    ]
    for source, report in contents.layers:
        lines += ["", _RULE, *_layer_lines(source, report)]
    return "\n".join([*map(_on_one_line, lines), ""])


def _on_one_line(text: str) -> str:
    """Return a line whose breaks and control characters are escaped: a field's name may hold some.

    What it says then would look as if it were said here.
    """
    return _BREAKS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _missing_lines(failures: Sequence[LayerFailure]) -> list[str]:
    if not failures:
        return []
    lines = ["NOT IN THIS ARCHIVE, and why:"]
    for failure in failures:
        lines.append(f"  {failure.name}: {failure.message}")
        lines += [f"    {failure.hint}"] if failure.hint else []
    return [*lines, "Each can be asked for again alone; report.json has the requests.", ""]


def _layer_lines(source: SourceLayer, report: LayerReport) -> list[str]:
    lines = [
        f"{source.title or report.name}",
        f"  Files:        {', '.join(_top_names(report.files))}",
        f"  Features:     {report.features_written:,} (of {report.features_read:,} looked at)",
        *_measured_lines(report),
        f"  CRS:          {report.crs}",
        f"  Licence:      {source.licence or 'not stated'}",
        f"  Attribution:  {source.attribution or 'not stated'}",
    ]
    if source.filter is not None:
        lines.append(f"  Filter:       {_filter_words(source.filter)}")
    if report.transformation:
        lines.append(f"  Moved by:     {report.transformation}")
    if report.tolerance_m:
        lines.append(f"  Edges:        followed to {report.tolerance_m:g} m where they bend")
    if report.area_transformation:
        lines.append(f"  Area moved:   {report.area_transformation}")
    if report.area_tolerance_m:
        lines.append(f"  Area's edges: followed to {report.area_tolerance_m:g} m")
    if report.source_version:
        lines.append(f"  Data version: {report.source_version}")
    if report.renamed_fields:
        lines.append("  Renamed fields, for the format cannot hold their names:")
        lines += [f"    {old} -> {new}" for old, new in report.renamed_fields.items()]
    return lines + [f"  Note: {note}" for note in report.notes]


def _top_names(files: Sequence[str]) -> list[str]:
    """Return the names of files, and of a folder in place of all that is in it."""
    tops = (name.partition("/") for name in files)
    return list(dict.fromkeys(name + slash for name, slash, _ in tops))


def _measured_lines(report: LayerReport) -> list[str]:
    measured = (("Area", report.area_m2 / 1e6, "km2"), ("Length", report.length_m / 1e3, "km"))
    return [
        f"  {what + ':':<13} {size:,.6g} {unit} {report.measured}"
        for what, size, unit in measured
        if size
    ]


def _filter_words(filter_: str | Mapping[str, Any]) -> str:
    text = filter_ if isinstance(filter_, str) else json.dumps(filter_, ensure_ascii=False)
    return " ".join(text.split())


def _corners(area: Area) -> int:
    polygons = getattr(area.geometry, "geoms", [area.geometry])
    rings = [ring for p in polygons for ring in (p.exterior, *p.interiors)]
    return sum(len(ring.coords) - 1 for ring in rings)


def write_report(contents: Contents, members: Iterable[Member]) -> str:
    """Return the report of an archive as JSON, for programs."""
    request, area = contents.request, contents.area
    content = {
        "marinemap": __version__,
        "made_at": request.made_at.isoformat() if request.made_at else None,
        "missing": [
            {**dataclasses.asdict(failure), "request": _replayable(request, area, failure.name)}
            for failure in contents.failures
        ],
        "request": _replayable(request, area),
        "area": {"bounds_4326": area.bounds_4326, "notes": area.notes},
        "layers": [dataclasses.asdict(report) for report in contents.reports],
        "files": [{"name": m.name, "bytes": m.size_bytes, "sha256": m.sha256} for m in members],
    }
    return json.dumps(content, indent=1, ensure_ascii=False, default=str) + "\n"


def _replayable(request: ExtractionRequest, area: Area, only: str = "") -> dict[str, Any]:
    """Return the request, or that of one layer, in the words of the API, to be asked again."""
    layers = [
        {"name": layer.name, "fields": layer.fields, "filter": layer.filter}
        for layer in request.layers
        if only in ("", layer.name)
    ]
    return {
        "layers": layers,
        "area": area.given,
        "crs": request.crs,
        "mode": request.mode,
        "format": request.format,
        "full_copy": request.full_copy,
    }
