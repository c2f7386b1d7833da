"""What became of one layer, for programs and in sentences for a person."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from marinemap.errors import quote
from marinemap.extraction.extracts.write import Outcome
from marinemap.extraction.formats import get_format
from marinemap.extraction.formats.written import WrittenLayer
from marinemap.extraction.layers.kept import Tally
from marinemap.extraction.layers.layer import PreparedLayer
from marinemap.extraction.postgis.table import Table
from marinemap.extraction.projection.crs import crs_label
from marinemap.extraction.projection.measure import Measure
from marinemap.extraction.projection.reproject import TOLERANCE_METRES
from marinemap.extraction.request import LayerReport, SourceLayer
from marinemap.extraction.sources import source_format_of
from marinemap.extraction.words import counted


def report_on(
    source: SourceLayer,
    version: str,
    layer: PreparedLayer,
    outcome: Outcome,
    full: tuple[WrittenLayer, ...],
    members: dict[str, Path],
) -> LayerReport:
    """Return the report on a layer that was written.

    ``full`` is the full copy, empty where there is none; ``members`` are all its files by their
    names in the archive.
    """
    written, tally = outcome.written, outcome.tally
    route = layer.route
    return LayerReport(
        name=source.name,
        files=tuple(members),
        crs=crs_label(route.output),
        features_read=layer.source.count_near(tally.read),
        features_written=sum(layer.features for layer in written),
        renamed_fields={old: new for old, new in written[0].fields.items() if old != new},
        notes=tuple(_notes(source, layer, tally, written, full)),
        losses=tuple(loss for layer in written for loss in layer.losses),
        repaired=tally.repaired,
        not_finite=tally.not_finite.count,
        unreadable=tally.unreadable.count,
        collapsed=tally.collapsed.count,
        left_out=(
            *tally.unreadable.first,
            *tally.not_finite.first,
            *tally.collapsed.first,
        ),
        trimmed=tally.trimmed,
        without_position=tally.without_position,
        straightened=tally.straightened,
        transformation=route.name,
        area_transformation=route.area_name,
        accuracy_m=route.accuracy_m,
        area_tolerance_m=layer.area_tolerance_m,
        tolerance_m=TOLERANCE_METRES if route.moves else None,
        area_m2=_rounded(tally.measured.area_m2),
        length_m=_rounded(tally.measured.length_m),
        measured=Measure(route.output).words,
        full_copy=full[0].path.name if full else "",
        crs_wkt=route.output.to_wkt("WKT2_2019"),
        source_version=version,
    )


def _rounded(number: float) -> float:
    """Return ten digits: the last ones of a sum follow the order of its parts."""
    return float(f"{number:.10g}")


def _notes_on_times(layer: PreparedLayer) -> list[str]:
    """Tell of times that may have had other zones; a table and a GeoPackage have them in UTC."""
    place = layer.dataset.path
    if isinstance(place, Table) or source_format_of(place).has_one_zone:
        return []
    # A zone for all is kept; where they are mixed there is none that all have but this.
    fields = [f.name for f in layer.selection.schema if getattr(f.type, "tz", None) == "UTC"]
    return [
        f"The times of '{quote(name)}' are given in UTC, as instants; one that has no zone counts "
        "as UTC."
        for name in fields
    ]


def _notes(
    source: SourceLayer,
    layer: PreparedLayer,
    tally: Tally,
    written: Sequence[WrittenLayer],
    full: Sequence[WrittenLayer],
) -> list[str]:
    """Return what a person should know, in sentences."""
    notes = []
    if tally.unreadable.count:
        notes.append(
            f"{counted(tally.unreadable.count)} left out, for the geometry cannot be read: "
            f"{tally.unreadable.ids_and_reasons}."
        )
    notes += [loss.detail for layer in written for loss in layer.losses]
    if not any(layer.features for layer in written):
        passing = "" if source.filter is None else " and passes the filter"
        notes.append(f"No feature of this layer lies within the area{passing}; the file is empty.")
    notes += _notes_on_times(layer)
    notes += layer.warnings
    if layer.route.output.is_bound and get_format(written[0].format).has_esri_crs:
        notes.append(
            f"The CRS in {written[0].path.name} has no shift to WGS 84 for its datum, for Esri's "
            "form of a CRS holds none: it stands in full in report.json, as crs_wkt."
        )
    if tally.torn:
        notes.append(
            f"{counted(tally.torn)} on both sides of where {crs_label(layer.route.output)} ends: "
            "cut there."
        )
    if tally.repaired:
        notes.append(
            f"{counted(tally.repaired)} on the edge not valid, or with an open ring or an empty "
            "part: repaired."
        )
    if tally.not_finite.count:
        notes.append(
            f"{counted(tally.not_finite.count)} left out, for a coordinate is no finite number: "
            f"{tally.not_finite.ids}."
        )
    if tally.collapsed.count:
        notes.append(
            f"{counted(tally.collapsed.count)} on the edge left out, for a polygon of no area or a "
            f"line of no length cannot be cut: {tally.collapsed.ids}."
        )
    if tally.without_position:
        notes.append(
            f"{counted(tally.without_position)} of the layer left out, for lying nowhere: with no "
            "geometry, an empty one, or coordinates that are no numbers."
        )
    if tally.straightened:
        notes.append(
            f"{counted(tally.straightened)} with arcs or surfaces, read as lines and polygons that "
            "follow the arcs to a centimetre."
        )
    if tally.trimmed:
        notes.append(
            f"{counted(tally.trimmed)} lost lines or points where they only touch the area."
        )
    if full:
        notes.append(_on_full_copy(full))
    return notes


def _on_full_copy(full: Sequence[WrittenLayer]) -> str:
    """Tell of the copy with everything; a GeoPackage has limits too, such as NaN."""
    lost = "; ".join(loss.detail for layer in full for loss in layer.losses)
    kept = f"with all but this: {lost}" if lost else "with nothing lost"
    return f"{full[0].path.name} holds the same features {kept}."
