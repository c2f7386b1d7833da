"""Columns of a page as JSON: written together, they are what each value is by itself."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from marinemap.api.features.geojson import _plain_column, plain

MOMENT = datetime(2026, 1, 31, 12, 0, 0, 500_000, UTC)
COLUMNS: dict[str, tuple[list[Any], pa.DataType]] = {
    "days": ([date(1, 1, 1), None, date(2026, 1, 31), date(9999, 12, 31)], pa.date32()),
    "no days": ([None, None], pa.date32()),
    "empty days": ([], pa.date32()),
    "moments": ([MOMENT, None], pa.timestamp("ms", "UTC")),
    "numbers": ([0.1, -0.0, None, 1e300], pa.float64()),
    "no numbers": ([0.5, float("nan"), float("inf"), None], pa.float64()),
    "short numbers": ([0.1, None, float("-inf")], pa.float32()),
    "whole numbers": ([2**63 - 1, None], pa.int64()),
    "flags": ([True, None], pa.bool_()),
    "bytes": ([b"\x00\xff", None], pa.binary()),
    "lists": ([[1.0, float("nan")], None], pa.list_(pa.float64())),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_column_is_written_as_its_values_are(name: str) -> None:
    values, type_ = COLUMNS[name]
    column = pa.chunked_array([pa.array(values[:1], type_), pa.array(values[1:], type_)])
    assert _plain_column(column) == [plain(value) for value in column.to_pylist()]


def test_days_beyond_those_of_python_are_written() -> None:
    column = pa.chunked_array([pa.array([3_000_000, None], pa.int32()).cast(pa.date32())])
    # As Arrow itself writes it.
    assert _plain_column(column) == column.cast(pa.string()).to_pylist() == ["10183-09-21", None]
