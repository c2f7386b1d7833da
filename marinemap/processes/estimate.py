"""The process ``estimate``: what an extract would give, told at once and without making it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marinemap.extraction import LayerEstimate, estimate
from marinemap.processes.descriptions import EXTRACT_INPUTS
from marinemap.processes.inputs import read_inputs
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


def check(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Refuse what would be refused as an extract, but for what is seen in the data only.

    Raises
    ------
    RequestError
        Naming the input.
    """
    parsed = read_inputs(inputs)
    parsed.to_request()
    return parsed.to_json()


def run(inputs: Mapping[str, Any], context: RunContext) -> RunResult:
    """Tell the likely count and size of each layer and of all, and what would be lost.

    Raises
    ------
    RequestError, DatasetError
        As :func:`marinemap.extraction.estimate` does.
    """
    parsed = read_inputs(inputs)
    layers = estimate(parsed.to_request())
    found = {
        "features": sum(layer.features for layer in layers),
        "features_at_least": sum(layer.features_at_least for layer in layers),
        "features_at_most": sum(layer.features_at_most for layer in layers),
        "exact": all(layer.is_exact for layer in layers),
        "size_bytes": sum(layer.size_bytes for layer in layers),
        "layers": [_layer(layer) for layer in layers],
        "notes": list(parsed.area.notes),
    }
    return RunResult(message="Done.", outputs={"estimate": found})


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
)
