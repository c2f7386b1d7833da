"""Which values a field has, and how often: counted within bounds of time and memory."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from marinemap.errors import RequestError, did_you_mean, quote
from marinemap.extraction.dataset import Dataset
from marinemap.extraction.filters.values import family, is_text
from marinemap.extraction.pages.keys import BEGINNING, keys_of
from marinemap.extraction.pages.source import PageSource, opened
from marinemap.extraction.reading.arrow_batches import check_text
from marinemap.sentences import say

# Counting ends with the first of these, and says so.
_MOST_SECONDS = 1.0
_MOST_BYTES = 64 << 20
_MOST_DISTINCT = 20_000
# More features are read at a time while so many take little memory.
_MOST_AT_ONCE = 131_072
_SMALL_BYTES = 2 << 20
# Nobody chooses a longer text from a list.
_MOST_CHARACTERS = 200
_COUNTED = ("text", "number", "flag", "time")

Value = str | int | float | bool


@dataclass
class FieldValues:
    """What was found in a field.

    Parameters
    ----------
    counts : Counter
        How often each value comes, as JSON has it; a moment as ``2026-01-31T12:00:00Z``.
    missing : int
        Features without a value that a filter could name: what is no number is none, nor is a
        day before the year 1 or after 9999.
    looked_at : int
        Features of which the value was read.
    is_complete : bool
        Whether these are all features of the layer.
    """

    counts: Counter[Value] = field(default_factory=Counter)
    missing: int = 0
    looked_at: int = 0
    is_complete: bool = False

    def most_frequent(self, limit: int) -> list[tuple[Value, int]]:
        """Return values and how often they come, in order; texts too long for a list left out."""
        shown = [item for item in self.counts.items() if not _is_long(item[0])]
        return sorted(shown, key=lambda item: (-item[1], item[0]))[:limit]


def count_values(dataset: Dataset, mark: str, name: str) -> FieldValues:
    """Count the values of a field, of as many features as can be looked at in a second.

    Parameters
    ----------
    dataset : Dataset
    mark : str
        Changes with the data.
    name : str
        The field.

    Raises
    ------
    RequestError
        If there is no such field, or it holds lists, bytes or times of day.
    DatasetError
        If the layer cannot be read.
    """
    found = FieldValues()
    deadline = time.monotonic() + _MOST_SECONDS
    with opened(dataset, mark) as source:
        _check_field(source.schema, name)
        for column, is_last in _columns(source, name, deadline):
            _count(found, column)
            found.is_complete = is_last
            if len(found.counts) > _MOST_DISTINCT:
                break
    return found


def _columns(source: PageSource, name: str, deadline: float) -> Iterator[tuple[Any, bool]]:
    """Yield the values of features, some at a time, and whether none come after them."""
    keys = keys_of(source, None)
    cursor, count, read_bytes = BEGINNING, source.rows_at_once, 0
    candidates = keys.after(cursor, count)
    while len(candidates.cursors):
        # A column of keys is read as such.
        columns = [] if name == source.own_key else [name]
        _, table = source.read_by_gdal(
            {**candidates.wanted, "columns": columns, "read_geometry": False}
        )
        column = table.column(name)
        if is_text(column.type):
            check_text(source.dataset.title, name, column)
        read_bytes += column.nbytes
        count = min(count * 2, _MOST_AT_ONCE) if column.nbytes < _SMALL_BYTES else count
        candidates = keys.after(int(candidates.cursors[-1]), count)
        yield column, len(candidates.cursors) == 0
        if time.monotonic() > deadline or read_bytes > _MOST_BYTES:
            return


def _check_field(schema: pa.Schema, name: str) -> None:
    if name not in schema.names:
        raise RequestError(
            say(
                "no field '{name}' in this layer.{nearest}",
                name=quote(name),
                nearest=did_you_mean(quote(name), schema.names),
            ),
            field="field",
            value=name,
        )
    type_ = schema.field(name).type
    if family(type_) not in _COUNTED:
        raise RequestError(
            say(
                "field '{name}' ({type}) has no values that a filter could choose",
                name=quote(name),
                type=type_,
            ),
            field="field",
            value=name,
            hint=say("Take a field of texts, numbers, days, moments, or of true and false."),
        )


def _count(found: FieldValues, column: Any) -> None:
    found.looked_at += len(column)
    if pa.types.is_floating(column.type):
        # JSON has neither NaN nor infinity.
        column = pc.if_else(pc.is_finite(column), column, None)
    pairs = pc.value_counts(column)
    for value, count in zip(
        _as_python(pairs.field("values")), pairs.field("counts").to_pylist(), strict=True
    ):
        if value is None:
            found.missing += count
        else:
            found.counts[_plain(value)] += count


def _as_python(values: Any) -> list[Any]:
    try:
        listed: list[Any] = values.to_pylist()
    except (OverflowError, ValueError):
        return [_or_none(value) for value in values]
    return listed


def _or_none(value: Any) -> Any:
    """Return a value as Python has it; None of a year before 1 or after 9999."""
    try:
        return value.as_py()
    except (OverflowError, ValueError):
        return None


def _plain(value: Any) -> Value:
    if isinstance(value, datetime) and value.tzinfo is None:
        # As filters compare it: with moments in UTC.
        return f"{value.isoformat()}Z"
    if isinstance(value, date):
        return value.isoformat().replace("+00:00", "Z")
    plain: Value = value
    return plain


def _is_long(value: Value) -> bool:
    return isinstance(value, str) and len(value) > _MOST_CHARACTERS
