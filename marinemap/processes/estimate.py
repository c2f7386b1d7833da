"""The process ``estimate``: what an extract would give, told at once and without making it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marinemap.catalogue.viewers import EVERYONE, Viewer
from marinemap.extraction import LayerEstimate, estimate
from marinemap.processes.apart import call_apart
from marinemap.processes.choices import extract_inputs
from marinemap.processes.descriptions import EXTRACT_INPUTS
from marinemap.processes.inputs import ChosenLayer, choose_layers, complete_inputs, layer_ids
from marinemap.processes.layer_limits import yield_notes
from marinemap.processes.process import Process, RunContext, RunResult

_COUNT = {"type": "integer", "minimum": 0}
_TEXTS = {"type": "array", "items": {"type": "string"}}
_FIGURES = {
    "features": _COUNT,
    "features_at_least": _COUNT,
    "features_at_most": _COUNT,
    "exact": {"type": "boolean"},
    "size_bytes": _COUNT,
}


def check(inputs: Mapping[str, Any], viewer: Viewer = EVERYONE) -> dict[str, Any]:
    """Refuse unknown layers; all else is looked at apart, where the estimate is made.

    Raises
    ------
    RequestError
        Naming the input.
    """
    choose_layers(inputs, viewer)
    return dict(inputs)


def run(inputs: Mapping[str, Any], context: RunContext) -> RunResult:
    """Tell the likely count and size of each layer and of all, what would be lost or refused.

    Raises
    ------
    RequestError, DatasetError
        As :func:`marinemap.extraction.layers.estimate` does, and if it costs more than it may.
    UnavailableError
        If others are being looked at just now.
    """
    found = call_apart(_look, dict(inputs), choose_layers(inputs, context.viewer))
    over = context.limits.foresee(
        found["features"], found["features_at_least"], found["size_bytes"]
    )
    found["notes"] = [*found["notes"], *over]
    return RunResult(message="Done.", outputs={"estimate": found})


def _look(inputs: Mapping[str, Any], chosen: list[ChosenLayer]) -> dict[str, Any]:
    parsed = complete_inputs(inputs, chosen)
    layers = estimate(parsed.to_request())
    return {
        "features": sum(layer.features for layer in layers),
        "features_at_least": sum(layer.features_at_least for layer in layers),
        "features_at_most": sum(layer.features_at_most for layer in layers),
        "exact": all(layer.is_exact for layer in layers),
        "size_bytes": sum(layer.size_bytes for layer in layers),
        "layers": [_layer(layer) for layer in layers],
        "notes": [
            *parsed.area.notes,
            *yield_notes([each.layer for each in chosen], layers),
        ],
    }


def _layer(layer: LayerEstimate) -> dict[str, Any]:
    return {
        "name": layer.name,
        "features": layer.features,
        "features_at_least": layer.features_at_least,
        "features_at_most": layer.features_at_most,
        "exact": layer.is_exact,
        "size_bytes": layer.size_bytes,
        "warnings": list(layer.warnings),
    }


PROCESS = Process(
    id="estimate",
    title="What an extract would give",
    description="Takes the inputs of extract and tells at once how many features it would give, "
    "how large it would be before zipping, and what the format would lose.",
    version="1.0.0",
    inputs=EXTRACT_INPUTS,
    outputs={
        "estimate": {
            "title": "Estimate",
            "description": "The likely count, which is exact or lies between the least and the "
            "most, and the size in bytes before zipping, without a full copy.",
            "schema": {
                "type": "object",
                "required": [*_FIGURES, "layers", "notes"],
                "properties": {
                    **_FIGURES,
                    "layers": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["name", *_FIGURES, "warnings"],
                            "properties": {
                                "name": {"type": "string"},
                                **_FIGURES,
                                "warnings": _TEXTS,
                            },
                        },
                    },
                    "notes": _TEXTS,
                },
            },
        }
    },
    check=check,
    run=run,
    is_immediate=True,
    layers=layer_ids,
    choices=extract_inputs,
)
