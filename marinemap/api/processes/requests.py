"""The body of an execute request (OGC 18-062r2, execute.yaml): declared, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest

from marinemap.api.bodies import read_json_body
from marinemap.api.declarations import Body
from marinemap.api.processes.letters import NOTIFY
from marinemap.errors import RequestError
from marinemap.jobs.egress import check_uri
from marinemap.jobs.notify import EVENTS
from marinemap.jobs.states import JobStatus
from marinemap.processes.process import Process
from marinemap.processes.values import check_value, unknown
from marinemap.sentences import say

_FORMAT = {
    "type": "object",
    "properties": {
        "mediaType": {"type": "string"},
        "encoding": {"type": "string"},
        "schema": {},
    },
    "additionalProperties": False,
}
_OUTPUT = {
    "type": "object",
    "properties": {
        "format": _FORMAT,
        "transmissionMode": {"type": "string", "enum": ["value", "reference"]},
    },
    "additionalProperties": False,
}
# The standard requires a member "successUrl" that it does not describe; some clients send it.
_ADDRESSES = (*EVENTS, "successUrl")


def subscriber_schema(*names: str) -> dict[str, Any]:
    """Return what a subscriber may have: an address under each of some names."""
    address = {"type": "string", "maxLength": 2_000}
    return {
        "type": "object",
        "properties": dict.fromkeys(names, address),
        "additionalProperties": False,
    }


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "inputs": {"type": "object"},
        "outputs": {"type": "object"},
        "response": {"type": "string", "enum": ["raw", "document"]},
        "subscriber": subscriber_schema(*_ADDRESSES),
        "notify": NOTIFY,
        "mode": {"type": "string", "enum": ["async", "sync", "auto"]},
        "id": {"type": "string"},
    },
    "additionalProperties": False,
}
BODY = Body(
    SCHEMA,
    "The inputs by their ids; which outputs are wanted, all by default; how they are answered.",
    {"inputs": {"layers": ["reefs"], "area": [0, 40, 5, 45]}},
)
_HINT = say('Send {"inputs": {"layers": ["..."], "area": {"type": "Polygon", ...}}}.')


@dataclass(frozen=True)
class ExecuteRequest:
    """What a client asks to be run, and how it wants the answer.

    ``outputs`` maps the ids of those that are wanted to ``value`` or ``reference``.
    """

    inputs: Mapping[str, Any]
    outputs: Mapping[str, str]
    response: str = "raw"
    mode: str = "auto"
    members: Mapping[str, Any] = field(default_factory=dict)

    @property
    def addresses(self) -> dict[JobStatus, str]:
        """Whom to tell that the job has reached a state; what cannot be called is refused."""
        return addresses_of(self.members.get("subscriber", {}))

    @property
    def notify(self) -> Mapping[str, str] | None:
        """To whom a letter is to be written, as it was given; see ``letters``."""
        return self.members.get("notify")

    @property
    def wanted(self) -> dict[str, Any]:
        """How the results are to be answered, as it is kept with a job."""
        return {"response": self.response, "outputs": dict(self.outputs)}


def addresses_of(subscriber: Mapping[str, str]) -> dict[JobStatus, str]:
    """Return whom to tell of which state; what cannot be called is refused.

    Raises
    ------
    RequestError
        If an address may not be called, or two are given for one state.
    """
    found: dict[JobStatus, str] = {}
    for name, uri in subscriber.items():
        status = EVENTS["successUri" if name == "successUrl" else name]
        if found.setdefault(status, uri) != uri:
            raise RequestError(
                say("successUri and successUrl are one: the address that is told"),
                field=f"subscriber.{name}",
                value=uri,
            )
        found[status] = check_uri(uri, f"subscriber.{name}")
    return found


def read_execute_request(request: HttpRequest, process: Process) -> ExecuteRequest:
    """Return what a request asks of a process; the inputs themselves are not looked at.

    Raises
    ------
    RequestError
        If it is not JSON, or has a member or an output that is unknown or would be passed over.
    """
    body = read_json_body(request, hint=_HINT)
    if not isinstance(body, dict):
        raise RequestError(say("the body is not a JSON object"), field="body", value=body)
    return execute_request(body, process)


def execute_request(body: Mapping[str, Any], process: Process) -> ExecuteRequest:
    """Return what the members of a body ask of a process.

    Raises
    ------
    RequestError
        As :func:`read_execute_request` does.
    """
    _check_members(body, process)
    return ExecuteRequest(
        inputs=body.get("inputs", {}),
        outputs=_outputs_of(body.get("outputs"), process),
        response=body.get("response", "raw"),
        mode=body.get("mode", "auto"),
        members=body,
    )


def _check_members(body: Mapping[str, Any], process: Process) -> None:
    known: Mapping[str, Any] = SCHEMA["properties"]
    for member, value in body.items():
        if member in process.inputs and member not in known:
            raise RequestError(
                say("'{member}' is an input: it stands within 'inputs'", member=member),
                field=member,
                hint=_HINT,
            )
        if member not in known:
            raise unknown(member, known, say("an execute request has no"))
        if member == "mode" and value in ("clip", "intersects", "within"):
            raise RequestError(
                say("'{value}' is not how to execute: 'async', 'sync' or 'auto'", value=value),
                field=member,
                value=value,
                hint=say('Whether to clip is an input: {"inputs": {"mode": "clip", ...}}.'),
            )
        check_value(known[member], value, member)


def _outputs_of(wanted: Mapping[str, Any] | None, process: Process) -> dict[str, str]:
    """Return how each output that is wanted is to be sent; all by value where none is named."""
    if not wanted:
        return dict.fromkeys(process.outputs, "value")
    for name, described in wanted.items():
        if name not in process.outputs:
            what = say("process '{process}' has no output", process=process.id)
            raise unknown(name, process.outputs, what)
        check_value(_OUTPUT, described, f"outputs.{name}")
        _check_format(process, name, described.get("format", {}))
    modes = {name: at.get("transmissionMode", "value") for name, at in wanted.items()}
    for name, mode in modes.items():
        if mode not in process.transmission:
            raise unknown(
                mode,
                process.transmission,
                say("process '{process}' does not send outputs by", process=process.id),
                f"outputs.{name}.transmissionMode",
            )
    return modes


def _check_format(process: Process, name: str, asked: Mapping[str, Any]) -> None:
    media_type = process.media_type_of(name)
    if asked.get("mediaType", media_type) != media_type:
        raise unknown(
            str(asked["mediaType"]),
            [media_type],
            say("output '{name}' is not made as", name=name),
            f"outputs.{name}.format.mediaType",
        )
    field, encoding = f"outputs.{name}.format", str(asked.get("encoding", ""))
    known = _encodings(process, name)
    if "encoding" in asked and encoding.lower() not in (each.lower() for each in known):
        what = say("output '{name}' is not sent as", name=name)
        raise unknown(encoding, known, what, f"{field}.encoding")
    if "schema" in asked and asked["schema"] != process.outputs[name].get("schema"):
        raise RequestError(
            say("output '{name}' has a schema of its own, which the process describes", name=name),
            field=f"{field}.schema",
            value=asked["schema"],
            hint=say("Leave 'schema' out."),
        )


def _encodings(process: Process, name: str) -> list[str]:
    """Return the encodings that an output is sent in: files as they are, all else as text."""
    schema = process.outputs[name].get("schema", {})
    return ["binary"] if schema.get("contentEncoding") == "binary" else ["UTF-8"]
