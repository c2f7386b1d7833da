"""Inputs as a request gives them: named, plain or qualified (OGC 18-062r2, section 7.11)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from marinemap.errors import RequestError, did_you_mean, quote
from marinemap.processes.process import Process
from marinemap.sentences import say

# Members of a qualified value; the older form has those of its format in one.
_QUALIFIED = ("value", "mediaType", "encoding", "schema", "format")
_AS_IT_IS = ("utf-8", "utf8")
_JSON, _GEOJSON, _TEXT = "application/json", "application/geo+json", "text/plain"


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
        If an input is unknown, a required one is missing, or a qualified value is said to be what
        the input does not take.
    """
    for name in inputs:
        if name not in process.inputs:
            known = ", ".join(f"'{known}'" for known in process.inputs)
            raise RequestError(
                say(
                    "process '{process}' has no input '{name}'; it has {known}.{nearest}",
                    process=process.id,
                    name=quote(name),
                    known=known,
                    nearest=did_you_mean(quote(name), process.inputs),
                ),
                field=quote(name),
                value=name,
            )
    for name, description in process.inputs.items():
        if description.get("minOccurs", 1) and inputs.get(name) is None:
            raise RequestError(
                say(
                    "the input '{name}' ({title}) is missing; it is needed",
                    name=name,
                    title=description["title"],
                ),
                field=name,
            )
    given = {name: value for name, value in inputs.items() if value is not None}
    return {name: _unqualified(name, value, process) for name, value in given.items()}


def _unqualified(name: str, value: Any, process: Process) -> Any:
    if isinstance(value, list):
        return [_unqualified_each(name, each, process) for each in value]
    if not isinstance(value, Mapping) or "value" not in value or "type" in value:
        return value
    for member in value:
        if member not in _QUALIFIED:
            raise RequestError(
                say(
                    "a qualified value has no '{member}'.{nearest}",
                    member=quote(member),
                    nearest=did_you_mean(member, _QUALIFIED),
                ),
                field=f"{name}.{quote(member)}",
                value=member,
            )
    form = value.get("format")
    _check_encoding(name, _told("encoding", value, form))
    _check_media_type(name, _told("mediaType", value, form), process.inputs[name]["schema"])
    return value["value"]


def _unqualified_each(name: str, value: Any, process: Process) -> Any:
    # Of several values one that is an object with other members is that object.
    is_qualified = isinstance(value, Mapping) and set(value) <= set(_QUALIFIED)
    return _unqualified(name, value, process) if is_qualified else value


def _told(member: str, value: Mapping[str, Any], form: Any) -> Any:
    return value.get(member, form.get(member) if isinstance(form, Mapping) else None)


def _check_encoding(name: str, encoding: Any) -> None:
    if encoding is not None and str(encoding).lower() not in _AS_IT_IS:
        raise RequestError(
            say(
                "a value is read as it stands in the request, not as '{encoding}'",
                encoding=quote(encoding),
            ),
            field=f"{name}.encoding",
            value=encoding,
            hint=say("Send it as plain JSON, and leave 'encoding' out."),
        )


def _check_media_type(name: str, media_type: Any, schema: Mapping[str, Any]) -> None:
    if media_type is None:
        return
    known = list(dict.fromkeys([*_media_types(schema), _JSON]))
    if str(media_type).partition(";")[0].strip().lower() not in known:
        raise RequestError(
            say(
                "this input is not taken as '{media_type}'; it may be {listed}",
                media_type=quote(media_type),
                listed=", ".join(known),
            ),
            field=f"{name}.mediaType",
            value=media_type,
        )


def _media_types(schema: Any) -> Iterator[str]:
    """Yield as what a value of a schema may be sent, besides JSON."""
    if isinstance(schema, list):
        for each in schema:
            yield from _media_types(each)
    elif isinstance(schema, Mapping):
        if str(schema.get("format", "")).startswith("geojson"):
            yield _GEOJSON
        if schema.get("type") == "string":
            yield str(schema.get("contentMediaType", _TEXT)).lower()
        for combining in ("allOf", "anyOf", "oneOf", "items"):
            yield from _media_types(schema.get(combining))
