"""What a process is: its description, its checked inputs, its run function."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from marinemap.catalogue.viewers import EVERYONE, Viewer
from marinemap.errors import ServiceError
from marinemap.extraction import Division, RunLimits

# What a run of a short process takes at most: so long it may hold up what looks after the site.
SHORT_SECONDS = 5


@dataclass(frozen=True)
class RunContext:
    """What a run is given besides its inputs.

    ``work_folder`` is empty and private to the run, and is removed after it. A file that is the
    result goes to ``artifact``. ``progress`` takes the fraction done (0 to 1) and a few words,
    and raises when the run should stop. ``limits`` are what the operator allows one run,
    ``viewer`` is whose request it is, as they may see layers now. ``division`` tells which other
    workers may help.
    """

    work_folder: Path
    artifact: Path
    progress: Callable[[float, str], None]
    limits: RunLimits = RunLimits()
    viewer: Viewer = EVERYONE
    division: Division | None = None


@dataclass(frozen=True)
class RunResult:
    """What a run answers: outputs as JSON values, or a file at the context's ``artifact``.

    One that is not repeatable lacks something that another run may have.
    """

    message: str
    outputs: dict[str, Any] = field(default_factory=dict)
    media_type: str | None = None
    file_name: str | None = None
    is_repeatable: bool = True


@dataclass(frozen=True)
class Process:
    """A process as OGC API - Processes describes it.

    ``inputs`` and ``outputs`` map ids to the members of an input or output description
    (OGC 18-062r2, section 7.6). ``check`` takes the inputs of a request, raises a RequestError
    if the run would be refused, and returns the inputs to keep: JSON values that it has looked
    at, every one. ``run`` does the work; it takes the kept inputs and checks them again. What
    ``is_immediate`` takes a moment and makes no file: it runs within the request, without a job.
    What has ``seconds`` may run either way: it tells how long inputs take at most, so that a long
    run is left to a job. What ``is_awaited`` is always run by a worker, as a job, but who does not
    want the job may be kept waiting for its end. What ``is_short`` takes ``SHORT_SECONDS`` at most
    and makes no file: its jobs have a queue of their own, and wait for no extraction. The result
    is either one file, whose output has a ``contentEncoding`` of ``binary`` and a
    ``contentMediaType``, or a JSON value for each output, which may be missing where
    ``optional_outputs`` names it. What reads the catalogue has ``layers``, which tells of kept
    inputs which layers they read; its ``check`` takes as a second argument whose request it is.
    What gives the same result for the same inputs and data has ``data_version``, which tells of
    kept inputs which data a run would read now, as JSON values; None where that is not known.
    ``choices`` gives the inputs with what somebody may choose just now, for a form. What can be
    shared among workers has ``help``: it takes kept inputs and the context of a run that goes on
    in another process, and makes pieces of that run's work until none is left.

    Raises
    ------
    ServiceError
        If it could not be served as it is described.
    """

    id: str
    title: str
    description: str
    version: str
    inputs: Mapping[str, Mapping[str, Any]]
    outputs: Mapping[str, Mapping[str, Any]]
    check: Callable[..., dict[str, Any]]
    run: Callable[[Mapping[str, Any], RunContext], RunResult]
    is_immediate: bool = False
    seconds: Callable[[Mapping[str, Any]], float] | None = None
    is_awaited: bool = False
    is_short: bool = False
    optional_outputs: frozenset[str] = frozenset()
    layers: Callable[[Mapping[str, Any]], list[str]] | None = None
    data_version: Callable[[Mapping[str, Any]], Any] | None = None
    choices: Callable[[Viewer], Mapping[str, Mapping[str, Any]]] | None = None
    help: Callable[[Mapping[str, Any], RunContext], None] | None = None

    def __post_init__(self) -> None:
        check_process(self)

    def inputs_for(self, viewer: Viewer) -> Mapping[str, Mapping[str, Any]]:
        """Return the inputs as they are described to somebody."""
        return self.choices(viewer) if self.choices else self.inputs

    @property
    def file_media_type(self) -> str | None:
        """The media type of the file that is the result; None where the outputs are JSON."""
        return next(filter(None, map(_file_type, self.outputs.values())), None)

    @property
    def file_suffix(self) -> str:
        """What the name of such a file ends with, such as ``.zip``; empty where there is none."""
        return mimetypes.guess_extension(self.file_media_type or "") or ""

    @property
    def control_options(self) -> tuple[str, ...]:
        """How it may be executed (OGC 18-062r2, jobControlOptions)."""
        if self.is_immediate:
            return ("sync-execute",)
        either = ("sync-execute",) if self.seconds or self.is_awaited else ()
        return (*either, "async-execute", "dismiss")

    @property
    def transmission(self) -> tuple[str, ...]:
        """How outputs may be sent (OGC 18-062r2, outputTransmission): links lead to a job's."""
        return ("value",) if self.is_immediate else ("value", "reference")

    def media_type_of(self, output: str) -> str:
        """Return the media type of one output."""
        schema = self.outputs[output]["schema"]
        return str(schema.get("contentMediaType", "application/json"))

    def check_for(self, viewer: Viewer, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Check inputs as plain values for somebody, and return those to keep.

        Raises
        ------
        RequestError
            If the run would be refused; what they may not see is not there.
        """
        return self.check(inputs, viewer) if self.layers else self.check(inputs)

    def layers_of(self, kept: Mapping[str, Any]) -> list[str]:
        """Return the ids of the layers that kept inputs read."""
        return self.layers(kept) if self.layers else []

    def check_result(self, result: RunResult) -> None:
        """Refuse what a run answers where its process says otherwise.

        Raises
        ------
        ServiceError
            If the result has not the media type or the outputs that are described.
        """
        if result.media_type != self.file_media_type:
            raise _wrong_result(self, "media type", result.media_type, self.file_media_type)
        described = [] if self.file_media_type else sorted(self.outputs)
        needed = set(described) - self.optional_outputs
        if not needed <= set(result.outputs) <= set(described):
            raise _wrong_result(self, "outputs", sorted(result.outputs), described)


def check_process(process: Process) -> None:
    """Refuse a process that could not be served: when it is built, not when somebody asks.

    Raises
    ------
    ServiceError
        Naming the process and the member that is wrong.
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,99}", process.id):
        raise _wrong(process, "id", "is not of lower-case letters, digits and '-', 100 at most")
    if not process.outputs:
        raise _wrong(process, "outputs", "are none; there would be nothing to answer")
    for kind, described in (("inputs", process.inputs), ("outputs", process.outputs)):
        for name, description in described.items():
            if not {"title", "schema"} <= set(description):
                raise _wrong(process, kind, f"has no 'title' or no 'schema' in '{name}'")
    _check_file(process)


def _check_file(process: Process) -> None:
    if process.file_media_type is None:
        return
    if len(process.outputs) > 1:
        raise _wrong(process, "outputs", "hold a file beside others; a file is answered alone")
    if process.is_immediate:
        raise _wrong(process, "is_immediate", "is set, but a file is made by a job only")
    if process.is_short:
        raise _wrong(process, "is_short", "is set, but to make a file takes disk and time")
    if not process.file_suffix:
        raise _wrong(process, "outputs", f"have an unknown media type, {process.file_media_type}")


def _file_type(description: Mapping[str, Any]) -> str | None:
    """Return the media type of an output that is a file (OGC 18-062r2, section 7.6.2)."""
    schema = description["schema"]
    is_file = schema.get("contentEncoding") == "binary"
    return str(schema.get("contentMediaType", "")) if is_file else None


def _wrong(process: Process, member: str, why: str) -> ServiceError:
    return ServiceError(f"process '{process.id}': {member} {why}", field=member)


def _wrong_result(process: Process, what: str, found: Any, described: Any) -> ServiceError:
    return ServiceError(
        f"process '{process.id}' answered {what} {found!r}, but describes {described!r}",
        field=what,
        value=found,
    )
