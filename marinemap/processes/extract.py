"""The process ``extract``: clip layers of the catalogue to an area, as zipped shapefiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from marinemap.catalogue.models import Layer
from marinemap.catalogue.registration import refresh
from marinemap.errors import RequestError, quote
from marinemap.extraction import (
    Area,
    ExtractionRequest,
    ExtractionResult,
    check_fits,
    crs_label,
    extract,
    parse_area,
    parse_crs,
)
from marinemap.processes.process import Process, RunContext, RunResult

MAX_LAYERS = 50


@dataclass(frozen=True)
class _Inputs:
    layers: list[Layer]
    area: Area
    crs: str | None


def check(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Refuse what cannot be extracted, before it is queued; return the inputs to keep.

    Raises
    ------
    RequestError
        If a layer is unknown, the area is not sound or lies outside of every layer, or the CRS
        does not exist or does not fit the area.
    """
    parsed = _parse(inputs)
    kept: dict[str, Any] = {
        "layers": [layer.pk for layer in parsed.layers],
        "area": parsed.area.given,
    }
    return kept | ({"crs": parsed.crs} if parsed.crs else {})


def run(inputs: Mapping[str, Any], context: RunContext) -> RunResult:
    """Extract into the context's artifact.

    Raises
    ------
    RequestError, DatasetError, ServiceError
        As :func:`marinemap.extraction.extract` does.
    """
    parsed = _parse(inputs)
    request = ExtractionRequest(
        layers=[refresh(layer).to_source() for layer in parsed.layers],
        area=parsed.area,
        destination=context.artifact,
        crs=parsed.crs,
        made_at=datetime.now(UTC),
    )
    result = extract(request, work_folder=context.work_folder, progress=context.progress)
    names = "-".join(layer.pk for layer in parsed.layers)
    return RunResult(
        message=_summary(result),
        media_type="application/zip",
        file_name=f"{names[:60].rstrip('-')}.zip",
    )


def _parse(inputs: Mapping[str, Any]) -> _Inputs:
    layers = [Layer.objects.get_published(name) for name in _layer_ids(inputs["layers"])]
    area = parse_area(inputs["area"])
    crs = None if inputs.get("crs") is None else parse_crs(inputs["crs"])
    if crs is not None:
        check_fits(crs, area.bounds_4326, "crs")
    _check_overlap(layers, area)
    return _Inputs(layers, area, crs_label(crs) if crs else None)


def _layer_ids(value: Any) -> list[Any]:
    ids = [value] if isinstance(value, str) else value
    if not isinstance(ids, list) or not ids:
        raise RequestError(
            'give a list with the id of at least one layer, such as ["reefs"]',
            field="layers",
            value=value,
        )
    if len(ids) > MAX_LAYERS:
        raise RequestError(
            f"{len(ids)} layers are asked for; at most {MAX_LAYERS} go into one request",
            field="layers",
            value=f"{len(ids)} layers",
        )
    repeated = next((name for name in ids if ids.count(name) > 1), None)
    if repeated is not None:
        raise RequestError(
            f"'{quote(repeated)}' is listed twice; name each layer once",
            field="layers",
            value=repeated,
        )
    return ids


def _check_overlap(layers: list[Layer], area: Area) -> None:
    boxes = [part.bounds for part in getattr(area.geometry, "geoms", [area.geometry])]
    if area.crs.is_geographic and any(
        layer.touches((box[0], box[1], box[2], box[3])) for layer in layers for box in boxes
    ):
        return
    if any(layer.touches(area.bounds_4326) for layer in layers) and not area.crs.is_geographic:
        return
    where = "; ".join(f"'{layer.pk}' covers {_extent_words(layer)}" for layer in layers)
    raise RequestError(
        f"the area lies outside of every layer that is asked for: {where}",
        field="area",
        value=[round(edge, 6) for edge in area.bounds_4326],
        hint="Draw the area where the layer has data.",
    )


def _extent_words(layer: Layer) -> str:
    if layer.bounds_4326 is None:
        return "nothing, for it is empty"
    west, south, east, north = layer.bounds_4326
    return f"longitude {west:.4f} to {east:.4f}, latitude {south:.4f} to {north:.4f}"


def _summary(result: ExtractionResult) -> str:
    parts = [f"{layer.name}: {layer.features_written:,} features" for layer in result.layers]
    notes = [*result.notes, *(f"{x.name}: {note}" for x in result.layers for note in x.notes)]
    return ". ".join([", ".join(parts), *(note.rstrip(".") for note in notes)]) + "."


PROCESS = Process(
    id="extract",
    title="Get shapefiles of an area",
    description="Clips layers of the catalogue to an area and packs them as zipped shapefiles.",
    version="1.0.0",
    inputs={
        "layers": {
            "title": "Layers",
            "description": "Ids of layers; GET /api/collections lists them.",
            "schema": {
                "type": "array",
                "items": {"type": "string"},
                "minItems": 1,
                "maxItems": MAX_LAYERS,
            },
        },
        "area": {
            "title": "Area",
            "description": "A GeoJSON polygon in degrees, longitude before latitude (RFC 7946).",
            "schema": {
                "oneOf": [
                    {"type": "object", "format": "geojson-geometry"},
                    {"type": "object", "format": "ogc-bbox"},
                ]
            },
        },
        "crs": {
            "title": "Output CRS",
            "description": "An EPSG code such as EPSG:3857; without it each layer keeps its own.",
            "minOccurs": 0,
            "schema": {"type": "string"},
        },
    },
    outputs={
        "archive": {
            "title": "Zipped shapefiles",
            "schema": {
                "type": "string",
                "contentEncoding": "binary",
                "contentMediaType": "application/zip",
            },
        }
    },
    check=check,
    run=run,
)
