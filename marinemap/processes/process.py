"""What a process is: its description, its checked inputs, its run function."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from marinemap.errors import RequestError, did_you_mean


@dataclass(frozen=True)
class RunContext:
    """What a run is given besides its inputs.

    ``work_folder`` is empty and private to the run, and is removed after it. A file that is the
    result goes to ``artifact``. ``progress`` takes the fraction done (0 to 1) and a few words,
    and raises when the run should stop.
    """

    work_folder: Path
    artifact: Path
    progress: Callable[[float, str], None]


@dataclass(frozen=True)
class RunResult:
    """What a run answers: outputs as JSON values, or a file at the context's ``artifact``."""

    message: str
    outputs: dict[str, Any] = field(default_factory=dict)
    media_type: str | None = None
    file_name: str | None = None


@dataclass(frozen=True)
class Process:
    """A process as OGC API - Processes describes it.

    ``inputs`` and ``outputs`` map ids to the members of an input or output description
    (OGC 18-062r2, section 7.6). ``check`` takes the inputs of a request, raises a RequestError
    if the run would be refused, and returns the inputs to keep: JSON values that it has looked
    at, every one. ``run`` does the work; it takes the kept inputs and checks them again. What
    ``is_immediate`` takes a moment and makes no file: it runs within the request, without a job.
    """

    id: str
    title: str
    description: str
    version: str
    inputs: Mapping[str, Mapping[str, Any]]
    outputs: Mapping[str, Mapping[str, Any]]
    check: Callable[[Mapping[str, Any]], dict[str, Any]]
    run: Callable[[Mapping[str, Any], RunContext], RunResult]
    is_immediate: bool = False


def run_at_once(process: Process, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Run an immediate process and return its outputs.

    Parameters
    ----------
    process : Process
    inputs : mapping
        As in the body of an execute request.

    Raises
    ------
    MarineMapError
        As the process does.
    """
    kept = process.check(unwrap_inputs(process, inputs))
    with tempfile.TemporaryDirectory(prefix=f"{process.id}-") as folder:
        work = Path(folder)
        return process.run(kept, RunContext(work, work / "artifact", lambda *_: None)).outputs


def unwrap_inputs(process: Process, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs of a request as plain values, refusing unknown and missing ones.

    Parameters
    ----------
    process : Process
    inputs : mapping
        As in the body of an execute request; a qualified value ``{"value": ...}`` stands for
        what it holds.

    Raises
    ------
    RequestError
        If an input is unknown, or a required one is missing.
    """
    for name in inputs:
        if name not in process.inputs:
            known = ", ".join(f"'{known}'" for known in process.inputs)
            raise RequestError(
                f"process '{process.id}' has no input '{name}'; it has {known}."
                f"{did_you_mean(str(name), process.inputs)}",
                field=str(name),
                value=name,
            )
    for name, description in process.inputs.items():
        if description.get("minOccurs", 1) and inputs.get(name) is None:
            raise RequestError(
                f"this input is missing; it is needed: {description['title']}", field=name
            )
    return {name: _unqualified(value) for name, value in inputs.items() if value is not None}


def _unqualified(value: Any) -> Any:
    if isinstance(value, Mapping) and "value" in value and "type" not in value:
        return value["value"]
    return value
