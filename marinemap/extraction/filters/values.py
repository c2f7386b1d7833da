"""The values that a filter compares fields with: literals of CQL2 JSON, and what they suit."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from marinemap.errors import quote
from marinemap.sentences import say

# The columns of some rows, by the names of their fields.
Columns = Mapping[str, Any]
# Integers from here on round to no finite double; up to there each is one.
_BEYOND_DOUBLES = 2**1024 - 2**970
_EXACT_INTEGERS = 2**53
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
            moment = datetime.fromisoformat(node["timestamp"])
            # As everywhere; by itself Python takes it for one of the machine's zone.
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except ValueError:
        return None
    return None


def is_day(type_: Any) -> bool:
    """Tell whether a type of Arrow, if any, is one of days."""
    return type_ is not None and bool(pa.types.is_date(type_))


def is_moment(type_: Any) -> bool:
    """Tell whether a type of Arrow, if any, is one of moments."""
    return type_ is not None and bool(pa.types.is_timestamp(type_))


def suits(value: Any, type_: Any) -> bool:
    """Tell whether a value may be compared with a field of a type of Arrow."""
    families = {bool: "flag", str: "text", int: "number", float: "number", date: "time"}
    return families.get(type(value), "time") == family(type_)


def scalar_of(value: Any, type_: Any) -> Any:
    """Return a value that suits a type of Arrow as a pyarrow.Scalar to compare with it.

    Raises
    ------
    ArrowException, OverflowError
        If no such moment can be told.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return pa.scalar(_plain_number(value, bool(pa.types.is_integer(type_))))
    if isinstance(value, datetime) and pa.types.is_timestamp(type_):
        if type_.tz is None:
            value = value.astimezone(UTC).replace(tzinfo=None)
        # Arrow would cut off what is finer than the field's unit.
        is_coarse = type_.unit in ("s", "ms")
        return pa.scalar(value, pa.timestamp("us", type_.tz) if is_coarse else type_)
    return pa.scalar(value, type_)


def _plain_number(value: float, is_whole: bool) -> float:
    """Return a number that Arrow takes, of the kind that is wanted if it is of both."""
    if not -(2**63) <= value < 2**63:
        # Beyond all integers of 64 bits; beyond all doubles it is infinite.
        is_double = abs(value) < _BEYOND_DOUBLES
        return float(value) if is_double else math.inf if value > 0 else -math.inf
    if is_whole:
        return int(value) if float(value).is_integer() else value
    return float(value) if abs(value) <= _EXACT_INTEGERS else value


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


def in_words(type_: Any) -> str:
    """Return the name of a type of Arrow as the layer's queryables have it (JSON Schema)."""
    if pa.types.is_timestamp(type_):
        return "date-time"
    if pa.types.is_integer(type_):
        return "integer"
    names = {"flag": "boolean", "text": "string", "time": "date"}
    return names.get(family(type_), family(type_))


def is_text(type_: Any) -> bool:
    """Tell whether a type of Arrow is one of texts."""
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_))


def type_of_literal(node: Any) -> Any:
    """Return the type of Arrow that a literal has by itself; None where it is none."""
    value = plain_value(node)
    types = {bool: pa.bool_(), str: pa.string(), int: pa.float64(), float: pa.float64()}
    times = {date: pa.date32(), datetime: pa.timestamp("us", "UTC")}
    return (types | times).get(type(value))


def how_to_write(node: Any, wanted: Any) -> str | None:
    """Return how a literal would be written for a field of a type, if that can be told."""
    if node is None:
        return say("Write IS NULL or IS NOT NULL: name IS NULL.")
    if wanted is None:
        return None
    kind, value = family(wanted), plain_value(node)
    if kind == "text" and isinstance(value, int | float):
        shown = f"{value:g}" if isinstance(value, float) else quote(value)
        return say("Write a text in single quotes: '{shown}'.", shown=shown)
    hints = {
        "number": say("Write a number without quotes: 5."),
        "flag": say("Write true or false."),
    }
    hints["time"] = say("Write DATE('2026-01-31') or TIMESTAMP('2026-01-31T12:00:00Z').")
    return hints.get(kind)
