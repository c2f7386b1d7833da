"""Features as GeoJSON (RFC 7946; in other CRS as OGC 18-058r1 has it)."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from pyarrow import types

from marinemap.api.features.crs import FeatureCrs, moved, swapped
from marinemap.catalogue.models import Layer
from marinemap.extraction.formats.fields import beyond_python
from marinemap.extraction.geometry.wkb import are_finite
from marinemap.extraction.pages.rows import Features

# A value of these is as JSON has it.
_PLAIN = (types.is_integer, types.is_string, types.is_large_string, types.is_boolean)
# Made once: json.dumps makes one for each call that has options.
_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
# GEOS gives an empty polygon a ring of no position, which is no ring (RFC 7946, section 3.1.6).
_RING_OF_NONE = '"coordinates":[[]]', '"coordinates":[]'
_OF_ONE_WORD = {int, float, bool, type(None)}


def write_features(
    features: Features, layer: Layer, crs: FeatureCrs
) -> Iterator[tuple[int, str, str]]:
    """Yield the id, geometry and properties of each feature; the last two as JSON.

    A text may hold what UTF-8 has no bytes for; it is sent as a question mark.
    """
    found = features.geometries.copy()
    # JSON has no infinity: a position that is none is no geometry.
    found[~are_finite(found)] = None
    geometries = moved(found, layer, crs)
    texts = shapely.to_geojson(swapped(geometries) if crs.is_swapped else geometries)
    numbers = features.ids.tolist()
    for number, text, row in zip(numbers, texts, _written_rows(features), strict=True):
        yield number, "null" if text is None else text.replace(*_RING_OF_NONE), row


def _written_rows(features: Features) -> Iterable[str]:
    """Return the fields of each feature as JSON: a column at a time, which is a third faster."""
    # Of two fields of one name the last counts, where the first stands.
    columns = dict(zip(*_plain_columns(features), strict=True))
    if not columns:
        return ["{}"] * len(features)
    members = (f"{_ENCODE(name)}:".replace("%", "%%") + "%s" for name in columns)
    template = "{" + ",".join(members) + "}"
    return [template % row for row in zip(*map(_written, columns.values()), strict=True)]


def _written(values: list[Any]) -> list[str]:
    """Return values as JSON."""
    kinds = set(map(type, values))
    if kinds == {str}:
        return list(map(encode_basestring, values))
    if kinds.issubset(_OF_ONE_WORD):
        # All at once: none of them has a comma.
        return _ENCODE(values)[1:-1].split(",") if values else []
    return list(map(_ENCODE, values))


def rows_of(
    features: Features, shown: Callable[[int], Any] = lambda number: number
) -> list[dict[str, Any]]:
    """Return features as the rows of a table, without their geometries.

    Parameters
    ----------
    features : Features
    shown : callable
        Gives what stands for a feature's id: first, as ``id``, or ``#id`` beside a field ``id``.
    """
    names, columns = _plain_columns(features)
    ids = [shown(number) for number in features.ids.tolist()]
    names = [_name_of_id(names), *names]
    return [dict(zip(names, row, strict=True)) for row in zip(ids, *columns, strict=True)]


def _name_of_id(names: list[str]) -> str:
    name = "id"
    while name in names:
        name = f"#{name}"
    return name


def _plain_columns(features: Features) -> tuple[list[str], list[list[Any]]]:
    table = features.attributes
    # Arrow makes the names anew each time.
    return table.column_names, [_plain_column(column) for column in table.columns]


def _plain_column(column: Any) -> list[Any]:
    if types.is_date32(column.type):
        return _days(column)
    try:
        values: list[Any] = column.to_pylist()
    except (OverflowError, ValueError):
        return _distant_times(column)
    if any(at(column.type) for at in _PLAIN) or _is_finite(column):
        return values
    return [plain(value) for value in values]


def _days(column: Any) -> list[str | None]:
    """Return days as RFC 3339 has them; those beyond the year 9999, too."""
    texts: list[str | None] = column.cast(pa.string()).to_pylist()
    return texts


def _is_finite(column: Any) -> bool:
    """Tell whether a column is of numbers that JSON has, all of them."""
    return bool(types.is_floating(column.type) and np.isfinite(column.drop_null()).all())


def _distant_times(column: Any) -> list[Any]:
    """Return moments as texts, which Python has of the years 1 to 9999 only."""
    if not types.is_timestamp(column.type):
        return [None if np.isnat(each) else str(each) for each in column.to_numpy()]
    texts: list[Any] = beyond_python(column, utc="Z").to_pylist()
    return texts


def plain(value: Any) -> Any:
    """Return a field's value as JSON has it: moments as RFC 3339, no number as null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime | date | time):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Decimal | timedelta):
        return str(value)
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    return value
