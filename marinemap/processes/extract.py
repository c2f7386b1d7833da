"""The process ``extract``: clip layers of the catalogue to an area, as zipped files."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from marinemap.catalogue.freshness import check_readable, refresh
from marinemap.catalogue.models import Layer
from marinemap.catalogue.viewers import EVERYONE, Viewer
from marinemap.errors import DatasetError, UnavailableError
from marinemap.extraction import (
    ExtractionResult,
    SourceLayer,
    check_selection,
    counted,
    estimate,
    extract,
    fingerprint,
    help_extract,
    mark_of_styles,
)
from marinemap.processes.apart import call_apart, is_small
from marinemap.processes.choices import extract_inputs
from marinemap.processes.descriptions import EXTRACT_INPUTS
from marinemap.processes.inputs import (
    ChosenLayer,
    choose_layers,
    complete_inputs,
    layer_ids,
    read_inputs,
)
from marinemap.processes.layer_limits import check_yield, limits_yield
from marinemap.processes.process import Process, RunContext, RunResult


def check(inputs: Mapping[str, Any], viewer: Viewer = EVERYONE) -> dict[str, Any]:
    """Refuse what cannot be extracted, before it is queued; return the inputs to keep.

    The data are opened only where fields or a filter are chosen, or a layer gives so many
    features or bytes and no more.

    Raises
    ------
    RequestError
        If a layer, field, mode, format or CRS is unknown, the filter is not sound, the area is
        not sound or lies outside of every layer, or the CRS does not fit the area or the format.
    DatasetError
        If the data are to be opened and are missing or broken.
    UnavailableError
        If no layer can be read now; or the inputs are large, and others are being looked at.
    """
    chosen = choose_layers(inputs, viewer)
    check_readable([each.layer for each in chosen])
    if is_small(inputs) and not limits_yield([each.layer for each in chosen]):
        return _check(inputs, chosen)
    return call_apart(_check, dict(inputs), chosen)


def _check(inputs: Mapping[str, Any], chosen: list[ChosenLayer]) -> dict[str, Any]:
    parsed = complete_inputs(inputs, chosen)
    request = parsed.to_request()
    for source in request.layers:
        check_selection(source)
    layers = [each.layer for each in chosen]
    if limits_yield(layers):
        check_yield(layers, estimate(request))
    return parsed.to_json()


def run(inputs: Mapping[str, Any], context: RunContext) -> RunResult:
    """Extract into the context's artifact.

    Raises
    ------
    RequestError, DatasetError, ServiceError
        As :func:`marinemap.extraction.extract` does.
    """
    parsed = read_inputs(inputs, context.viewer)
    for chosen in parsed.layers:
        # What cannot be read is told when it is extracted: the other layers are delivered.
        with contextlib.suppress(DatasetError):
            refresh(chosen.layer)
    request = parsed.to_request(context.artifact, datetime.now(UTC))
    result = extract(
        request,
        work_folder=context.work_folder,
        progress=context.progress,
        limits=context.limits,
        division=context.division,
    )
    names = "-".join(source.name for source in request.layers)
    return RunResult(
        message=_summary(result),
        media_type="application/zip",
        file_name=f"{names[:60].rstrip('-')}.zip",
        is_repeatable=not result.failures,
    )


def help_run(inputs: Mapping[str, Any], context: RunContext) -> None:
    """Make pieces of a run that goes on elsewhere, in the folder of the context's division.

    Raises
    ------
    MarineMapError, OSError
        If a piece cannot be made here, or the run is over.
    """
    if context.division is None:
        return
    request = read_inputs(inputs, context.viewer).to_request()
    division, progress = context.division, context.progress
    help_extract(
        request, division.folder, lambda: progress(0.0, ""), context.limits, division.is_wanted
    )


def data_version(inputs: Mapping[str, Any]) -> list[str] | None:
    """Tell which data and styles a run would read now, and what it would write about them.

    None where a layer is gone, or its data are others than the catalogue knows of as yet.
    """
    names = layer_ids(inputs)
    layers = Layer.objects.in_bulk(names)
    try:
        known = [fingerprint(layers[name].path) == layers[name].fingerprint for name in names]
    except (KeyError, DatasetError, UnavailableError):
        return None
    return [_named(layers[name].to_source()) for name in names] if all(known) else None


def _named(source: SourceLayer) -> str:
    return f"{source!r} {mark_of_styles(source.path, source.layer or '')}"


def _summary(result: ExtractionResult) -> str:
    parts = [f"{layer.name}: {counted(layer.features_written)}" for layer in result.layers]
    notes = [*result.notes, *(f"{x.name}: {note}" for x in result.layers for note in x.notes)]
    missing = [f"Missing: {failure.name} ({failure.message})" for failure in result.failures]
    return ". ".join([*missing, ", ".join(parts), *(note.rstrip(".") for note in notes)]) + "."


PROCESS = Process(
    id="extract",
    title="Get map data of an area",
    description="Clips layers of the catalogue to an area and packs them in one zip, as "
    "shapefiles or in another format. It makes a job; with the header Prefer: respond-sync a small "
    "one is answered with the zip itself.",
    version="1.2.0",
    inputs=EXTRACT_INPUTS,
    outputs={
        "archive": {
            "title": "Zip with the files, a README, a report and the area",
            "schema": {
                "type": "string",
                "contentEncoding": "binary",
                "contentMediaType": "application/zip",
            },
        }
    },
    check=check,
    run=run,
    is_awaited=True,
    layers=layer_ids,
    data_version=data_version,
    choices=extract_inputs,
    help=help_run,
)
