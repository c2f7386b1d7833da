"""Columns of Parquet as fields: what each is called, and how its values are brought to others."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from marinemap.errors import DatasetError, quote
from marinemap.sentences import say

_MOST_DIGITS = 18
# Types that stay, those that become another, and what each is called for people.
_WORDS = {
    pa.bool_(): "bool",
    pa.int16(): "int16",
    pa.int32(): "int32",
    pa.int64(): "int64",
    pa.float32(): "float32",
    pa.float64(): "float",
    pa.string(): "str",
    pa.binary(): "bytes",
    pa.date32(): "date",
    pa.time64("us"): "time",
    pa.timestamp("us"): "datetime",
    pa.timestamp("us", "UTC"): "datetime",
}
_WIDER = {
    pa.int8(): pa.int16(),
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.int64(),
    pa.float16(): pa.float32(),
    pa.date64(): pa.date32(),
    pa.large_string(): pa.string(),
    pa.string_view(): pa.string(),
    pa.large_binary(): pa.binary(),
    pa.binary_view(): pa.binary(),
}


@dataclass(frozen=True)
class Column:
    """A column that is a field of features, by its name and its type in the file."""

    name: str
    stored: Any

    @property
    def is_nested(self) -> bool:
        """Whether its values are lists or have parts: they become texts of JSON."""
        return bool(pa.types.is_nested(self.stored))

    @property
    def type(self) -> Any:
        """The type (pyarrow) of its values as they are handed on."""
        return _target(self.stored)

    @property
    def word(self) -> str:
        """The type in the words of the catalogue."""
        if self.is_nested:
            return "json"
        is_uuid = isinstance(self.stored, pa.UuidType)
        return "uuid" if is_uuid else _WORDS[self.type]

    def converted(self, values: Any, title: str) -> Any:
        """Return values as they are handed on.

        Raises
        ------
        DatasetError
            If one cannot be held.
        """
        try:
            return _converted(values, self.type)
        except (pa.ArrowInvalid, UnicodeDecodeError) as error:
            raise DatasetError(
                say(
                    "field '{name}' of {title} holds what cannot be read: {error}",
                    name=quote(self.name),
                    title=title,
                    error=quote(error),
                ),
                field="source",
                value=self.name,
            ) from error


def _target(stored: Any) -> Any:
    """Return the type that a type becomes: times in microseconds, and in UTC if in any zone."""
    types = pa.types
    if stored in _WORDS:
        return stored
    if stored in _WIDER:
        return _WIDER[stored]
    if types.is_dictionary(stored):
        return _target(stored.value_type)
    if types.is_timestamp(stored):
        return pa.timestamp("us", "UTC" if stored.tz else None)
    if types.is_time(stored):
        return pa.time64("us")
    if types.is_decimal(stored):
        is_whole = stored.scale == 0 and stored.precision <= _MOST_DIGITS
        return pa.int64() if is_whole else pa.float64()
    return pa.binary() if types.is_fixed_size_binary(stored) else pa.string()


def _converted(values: Any, target: Any) -> Any:
    stored = values.type
    if isinstance(stored, pa.UuidType):
        return pa.array([None if v is None else str(v) for v in values.to_pylist()], target)
    if isinstance(stored, pa.BaseExtensionType):
        return _converted(values.storage, target)
    if pa.types.is_dictionary(stored):
        return _converted(values.dictionary_decode(), target)
    if pa.types.is_nested(stored):
        return pa.array([_as_json(value) for value in values.to_pylist()], target)
    if stored == target:
        return values
    if pa.types.is_duration(stored):
        counted = pc.cast(pc.cast(values, pa.int64()), pa.string())
        return pc.binary_join_element_wise(counted, pa.scalar(stored.unit), pa.scalar(" "))
    # Nanoseconds are cut off; all else that would be lost is an error.
    is_cut = pa.types.is_temporal(stored) and getattr(stored, "unit", "ns") == "ns"
    return pc.cast(values, target, safe=not is_cut)


def _as_json(value: Any) -> str | None:
    if value is None:
        return None
    return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    """Return a value that JSON has; a map comes as pairs."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
