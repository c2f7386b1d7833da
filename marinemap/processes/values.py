"""Hold a value against its schema, and say in words what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from marinemap.errors import RequestError, did_you_mean, quote
from marinemap.sentences import Sentence, say

Schema = Mapping[str, Any]

_TYPES = {
    "integer": say("a whole number"),
    "number": say("a number"),
    "string": say("a text"),
    "boolean": say("true or false"),
    "array": say("a list"),
    "object": say("a JSON object"),
}
_RELATIONS = {
    "minimum": say("is less than"),
    "maximum": say("is more than"),
    "minItems": say("has fewer parts than"),
    "maxItems": say("has more parts than"),
    "maxLength": say("has more characters than"),
    "minLength": say("has fewer characters than"),
    "pattern": say("has not the form"),
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
    errors = list(_validator(_Hashed(schema)).iter_errors(value))
    if errors:
        # Never None of some.
        raise _in_words(cast(ValidationError, best_match(errors)), field)


def unknown(
    name: str, known: Iterable[str], what: Sentence, field: str | None = None
) -> RequestError:
    """Return the error of a name that means nothing, with the nearest that does."""
    names = list(known)
    listed = ", ".join(f"'{each}'" for each in names) or say("none")
    nearest = did_you_mean(quote(name), names)
    return RequestError(
        say(
            "{what} '{name}'; there are {listed}.{nearest}",
            what=what,
            name=quote(name),
            listed=listed,
            nearest=nearest,
        ),
        field=field or quote(name),
        value=name,
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
        return unknown(str(name), known, say("there is no member"), f"{place}.{quote(name)}")
    if "enum" in schema:
        # Of a list it is the list's name that says what is meant, not the place in it.
        named = [part for part in place.split(".") if not part.isdecimal()]
        return unknown(
            quote(value), map(str, schema["enum"]), say("there is no {name}", name=named[-1]), place
        )
    if rule == "required":
        missing = next(name for name in allowed if name not in value)
        return RequestError(say("the member '{missing}' is missing", missing=missing), field=place)
    if rule == "type":
        return wrong_type(str(allowed), value, place)
    return RequestError(_bound(rule, allowed, value), field=place, value=value)


def wrong_type(kind: str, value: Any, field: str) -> RequestError:
    # As JSON has it: "true" is Python's True.
    shown = json.dumps(value) if isinstance(value, bool | None) else value
    hint = say("Write true or false, without quotes.") if kind == "boolean" else None
    return RequestError(
        say("'{shown}' is not {kind}", shown=quote(shown), kind=_TYPES.get(kind, kind)),
        field=field,
        value=value,
        hint=hint,
    )


def _bound(rule: str, allowed: Any, value: Any) -> str:
    relation = _RELATIONS.get(rule)
    shown = quote(value)
    if relation is None:
        return say("'{value}' does not fit what is described ({rule})", value=shown, rule=rule)
    return say("'{value}' {relation} {allowed}", value=shown, relation=relation, allowed=allowed)
