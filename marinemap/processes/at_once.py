"""Running a process within the request that asks for it."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from marinemap.catalogue.viewers import EVERYONE, Viewer
from marinemap.errors import RequestError
from marinemap.extraction import RunLimits
from marinemap.processes.given import unwrap_inputs
from marinemap.processes.process import Process, RunContext
from marinemap.sentences import say


def run_at_once(
    process: Process,
    inputs: Mapping[str, Any],
    most_seconds: float = math.inf,
    limits: RunLimits | None = None,
    viewer: Viewer = EVERYONE,
) -> dict[str, Any]:
    """Run a process within the request and return its outputs.

    Parameters
    ----------
    process : Process
    inputs : mapping
        As in the body of an execute request.
    most_seconds : float, optional
        What would take longer is refused.
    limits : RunLimits, optional
        What the operator allows one run.
    viewer : Viewer, optional
        Whose request it is.

    Raises
    ------
    MarineMapError
        As the process does.
    """
    kept = process.check_for(viewer, unwrap_inputs(process, inputs))
    seconds = process.seconds(kept) if process.seconds else 0.0
    if seconds > most_seconds:
        raise RequestError(
            say(
                "this takes {seconds:g} s; what takes longer than {most_seconds:g} s runs as a job",
                seconds=seconds,
                most_seconds=most_seconds,
            ),
            field="Prefer",
            hint=say("Send the header Prefer: respond-async, and follow the job."),
        )
    with tempfile.TemporaryDirectory(prefix=f"{process.id}-") as folder:
        work = Path(folder)
        context = RunContext(
            work, work / "artifact", lambda *_: None, limits or RunLimits(), viewer
        )
        result = process.run(kept, context)
    process.check_result(result)
    return result.outputs
