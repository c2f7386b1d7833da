"""Hold a value against its schema, and say in words what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from marinemap.errors import RequestError, did_you_mean, quote

Schema = Mapping[str, Any]

_TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a JSON object",
}


def check_value(schema: Schema, value: Any, field: str) -> None:
    """Refuse a value that does not fit a schema of OpenAPI 3.0.

    Parameters
    ----------
    schema : mapping
        Of the members that OpenAPI 3.0 and JSON Schema understand alike.
    value : object
        As JSON has it.
    field : str
        Of which parameter or member it is, for the message.

    Raises
    ------
    RequestError
        Naming the member, what is allowed, and the nearest name.
    """
    error = best_match(_validator(_Hashed(schema)).iter_errors(value))
    if error is not None:
        raise _in_words(error, field)


def unknown(name: str, known: Iterable[str], what: str, field: str | None = None) -> RequestError:
    """Return the error of a name that means nothing, with the nearest that does."""
    names = list(known)
    listed = ", ".join(f"'{each}'" for each in names) or "none"
    hint = did_you_mean(quote(name), names)
    return RequestError(
        f"{what} '{quote(name)}'; there are {listed}.{hint}", field=field or quote(name), value=name
    )


class _Hashed:
    """A schema by its identity: declarations live as long as the process."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    def __hash__(self) -> int:
        return id(self.schema)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Hashed) and other.schema is self.schema


@lru_cache(maxsize=512)
def _validator(hashed: _Hashed) -> Draft202012Validator:
    return Draft202012Validator(hashed.schema)


def _in_words(error: ValidationError, field: str) -> RequestError:
    place = ".".join([field, *(str(step) for step in error.absolute_path)])
    value: Any = error.instance
    rule, allowed = str(error.validator), cast(Any, error.validator_value)
    schema = cast(Schema, error.schema)
    if rule == "additionalProperties":
        known = list(schema.get("properties", ()))
        name = next(name for name in value if name not in known)
        return unknown(str(name), known, "there is no member", f"{place}.{quote(name)}")
    if "enum" in schema:
        # Of a list it is the list's name that says what is meant, not the place in it.
        named = [part for part in place.split(".") if not part.isdecimal()]
        return unknown(quote(value), map(str, schema["enum"]), f"there is no {named[-1]}", place)
    if rule == "required":
        missing = next(name for name in allowed if name not in value)
        return RequestError(f"the member '{missing}' is missing", field=place)
    if rule == "type":
        return wrong_type(str(allowed), value, place)
    return RequestError(_bound(rule, allowed, value), field=place, value=value)


def wrong_type(kind: str, value: Any, field: str) -> RequestError:
    # As JSON has it: "true" is Python's True.
    shown = json.dumps(value) if isinstance(value, bool | None) else value
    hint = "Write true or false, without quotes." if kind == "boolean" else None
    return RequestError(
        f"'{quote(shown)}' is not {_TYPES.get(kind, kind)}", field=field, value=value, hint=hint
    )


def _bound(rule: str, allowed: Any, value: Any) -> str:
    words = {
        "minimum": "is less than",
        "maximum": "is more than",
        "minItems": "has fewer parts than",
        "maxItems": "has more parts than",
        "maxLength": "has more characters than",
        "minLength": "has fewer characters than",
        "pattern": "has not the form",
    }
    if rule in words:
        return f"'{quote(value)}' {words[rule]} {allowed}"
    return f"'{quote(value)}' does not fit what is described ({rule})"
