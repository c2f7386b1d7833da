"""The values that a filter compares fields with: literals of CQL2 JSON, and what they suit."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import pyarrow as pa

_UNWRITABLE = re.compile("[\0\ud800-\udfff]")


def plain_value(node: Any) -> Any:
    """Return a literal as Python has it, None where it is none."""
    if isinstance(node, str):
        # NUL and lone surrogates are valid JSON, but stand in no file and no database's text.
        return None if _UNWRITABLE.search(node) else node
    if isinstance(node, int | float):
        # JSON's 1e999 is read as infinite, which no JSON can hold again.
        return node if abs(node) != math.inf else None
    if not isinstance(node, Mapping) or len(node) != 1:
        return None
    try:
        if isinstance(node.get("date"), str):
            return date.fromisoformat(node["date"])
        if isinstance(node.get("timestamp"), str):
            return datetime.fromisoformat(node["timestamp"])
    except ValueError:
        return None
    return None


def is_date(node: Any) -> bool:
    """Tell whether a literal is a day."""
    return isinstance(node, Mapping) and isinstance(node.get("date"), str)


def suits(value: Any, type_: Any) -> bool:
    """Tell whether a value may be compared with a field of a type of Arrow."""
    families = {bool: "flag", str: "text", int: "number", float: "number", date: "time"}
    return families.get(type(value), "time") == family(type_)


def family(type_: Any) -> str:
    """Return what types that may be compared with each other have in common."""
    if pa.types.is_boolean(type_):
        return "flag"
    if is_text(type_):
        return "text"
    if pa.types.is_integer(type_) or pa.types.is_floating(type_):
        return "number"
    if pa.types.is_date(type_) or pa.types.is_timestamp(type_):
        return "time"
    return str(type_)


def is_text(type_: Any) -> bool:
    """Tell whether a type of Arrow is one of texts."""
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_))


def type_of_literal(node: Any) -> Any:
    """Return the type of Arrow that a literal has by itself; None where it is none."""
    value = plain_value(node)
    types = {bool: pa.bool_(), str: pa.string(), int: pa.float64(), float: pa.float64()}
    times = {date: pa.date32(), datetime: pa.timestamp("us", "UTC")}
    return (types | times).get(type(value))


def how_to_write(value: Any, wanted: Any) -> str | None:
    """Return how a value would be written for a field of a type, if that can be told."""
    if wanted is None or value is None:
        return None
    kind = family(wanted)
    if kind == "text" and isinstance(value, int | float):
        return f"Write a text in single quotes: '{value:g}'."
    hints = {"number": "Write a number without quotes: 5.", "flag": "Write true or false."}
    hints["time"] = "Write DATE('2026-01-31') or TIMESTAMP('2026-01-31T12:00:00Z')."
    return hints.get(kind)
