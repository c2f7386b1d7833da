"""The process ``echo``: answers what it was given; for trying a client or an installation."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from marinemap.errors import RequestError
from marinemap.processes.process import SHORT_SECONDS, Process, RunContext, RunResult
from marinemap.processes.values import check_value
from marinemap.sentences import say

# Nobody may hold a worker for longer by doing nothing.
MAX_PAUSE_SECONDS = SHORT_SECONDS
_STEP_SECONDS = 0.2
_OPTIONAL = {"minOccurs": 0}
_NUMBERS = {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 6}
# One of each kind of value that OGC API - Processes knows; generic clients try them in turn.
_SCHEMAS: dict[str, dict[str, Any]] = {
    "message": {"type": "string"},
    "pause": {"type": "integer", "minimum": 0, "maximum": MAX_PAUSE_SECONDS},
    "numbers": {"type": "array", "items": {"type": "integer"}, "maxItems": 1_000},
    "extent": {
        "allOf": [
            {
                "format": "ogc-bbox",
                "type": "object",
                "required": ["bbox"],
                "properties": {"bbox": _NUMBERS, "crs": {"type": "string", "maxLength": 200}},
            }
        ]
    },
    "text": {"type": "string", "contentMediaType": "text/xml", "maxLength": 10_000},
    "choice": {"oneOf": [{"type": "string", "maxLength": 10_000}, {"type": "number"}]},
}
_TITLES = {
    "message": "Message",
    "pause": "Pause in seconds",
    "numbers": "Whole numbers",
    "extent": "Bounds",
    "text": "Text as XML",
    "choice": "A text or a number",
}


def check(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Refuse what does not fit its schema; return all, with a pause.

    Raises
    ------
    RequestError
        Naming the input.
    """
    kept = {"pause": 0} | {name: _checked(name, value) for name, value in inputs.items()}
    return {name: kept[name] for name in _SCHEMAS if name in kept}


def _checked(name: str, value: Any) -> Any:
    schema = _SCHEMAS[name]
    if schema.get("type") == "array" and not isinstance(value, list):
        # One value stands for a list of it (OGC 18-062r2, requirement input-array).
        value = [value]
    check_value(schema, value, name)
    if not _can_be_kept(value):
        raise RequestError(say("it holds what cannot be kept"), field=name, value=value)
    return value


def _can_be_kept(value: Any) -> bool:
    """Tell whether a value can be stored: JSON has texts and numbers that no database holds.

    NUL, lone surrogates, and what is read as infinite, such as 1e999.
    """
    if isinstance(value, str):
        return "\0" not in value and _is_unicode(value)
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, Mapping):
        return all(map(_can_be_kept, (*value, *value.values())))
    return all(map(_can_be_kept, value)) if isinstance(value, list) else True


def _seconds(inputs: Mapping[str, Any]) -> float:
    return float(inputs["pause"])


def run(inputs: Mapping[str, Any], context: RunContext) -> RunResult:
    """Wait as long as asked, telling progress, then answer the inputs."""
    outputs = check(inputs)
    pause = outputs["pause"]
    end = time.monotonic() + pause
    while (left := end - time.monotonic()) > 0:
        context.progress(1 - left / pause, "Waiting")
        time.sleep(min(_STEP_SECONDS, left))
    return RunResult(message="Done.", outputs=outputs)


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


PROCESS = Process(
    id="echo",
    title="Echo",
    description="Answers its inputs after a pause; for trying a client or an installation.",
    version="1.1.0",
    inputs={
        name: {"title": _TITLES[name], "schema": schema} | ({} if name == "message" else _OPTIONAL)
        for name, schema in _SCHEMAS.items()
    },
    outputs={name: {"title": _TITLES[name], "schema": _SCHEMAS[name]} for name in _SCHEMAS},
    check=check,
    run=run,
    seconds=_seconds,
    is_short=True,
    # What was not given is not answered.
    optional_outputs=frozenset(_SCHEMAS) - {"message", "pause"},
)
