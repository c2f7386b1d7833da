"""Read the text of a query or a header as its schema understands it."""

from __future__ import annotations

from typing import Any

from marinemap.errors import RequestError
from marinemap.processes.values import Schema, check_value, wrong_type
from marinemap.sentences import say


def read_text(schema: Schema, texts: list[str], field: str) -> Any:
    """Return the value that a query or header has, as its schema understands it.

    Raises
    ------
    RequestError
        If it is no such value, or is given more than once where one is wanted.
    """
    if schema.get("type") == "array":
        parts = [part for text in texts for part in text.split(",")]
        value: Any = [_converted(schema["items"], part, field) for part in parts]
    elif len(texts) > 1:
        raise RequestError(
            say("this parameter is given more than once"), field=field, value=texts[1]
        )
    else:
        value = _converted(schema, texts[0], field)
    check_value(schema, value, field)
    return value


def _converted(schema: Schema, text: str, field: str) -> Any:
    kind = schema.get("type", "string")
    try:
        if kind == "integer":
            # Python would take "1_000" and digits of other scripts.
            return int(text) if text.isascii() and "_" not in text else _raise(text)
        if kind == "number":
            return float(text) if text.isascii() and "_" not in text else _raise(text)
        if kind == "boolean":
            return {"true": True, "false": False}[text]
    except (ValueError, KeyError) as error:
        raise wrong_type(kind, text, field) from error
    if "\0" in text:
        # PostgreSQL takes none, and no name or value of a layer has one.
        raise RequestError(say("a text has no NUL in it"), field=field, value=text)
    return text


def _raise(text: str) -> Any:
    raise ValueError(text)
