"""The process ``echo``: answers what it was given; for trying a client or an installation."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from marinemap.errors import RequestError
from marinemap.processes.process import Process, RunContext, RunResult

MAX_PAUSE_SECONDS = 60
_STEP_SECONDS = 0.2


def check(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Refuse a message that is no text and a pause that is too long; return both.

    Raises
    ------
    RequestError
        Naming the input.
    """
    message = inputs["message"]
    # NUL and lone surrogates are valid JSON, but no database's text holds them.
    if not isinstance(message, str) or "\0" in message or not _is_unicode(message):
        raise RequestError("the message is a text", field="message", value=message)
    pause = inputs.get("pause", 0)
    if isinstance(pause, bool) or not isinstance(pause, int) or not 0 <= pause <= MAX_PAUSE_SECONDS:
        raise RequestError(
            f"the pause is a whole number of seconds, 0 to {MAX_PAUSE_SECONDS}",
            field="pause",
            value=pause,
        )
    return {"message": message, "pause": pause}


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
    version="1.0.0",
    inputs={
        "message": {"title": "Message", "schema": {"type": "string"}},
        "pause": {
            "title": "Pause in seconds",
            "minOccurs": 0,
            "schema": {"type": "integer", "minimum": 0, "maximum": MAX_PAUSE_SECONDS},
        },
    },
    outputs={
        "message": {"title": "Message", "schema": {"type": "string"}},
        "pause": {"title": "Pause in seconds", "schema": {"type": "integer"}},
    },
    check=check,
    run=run,
)
