"""Filters: each value is compared as it is, and what cannot be computed is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from marinemap.errors import RequestError
from marinemap.extraction.filter import compile_filter

LARGE = 2**53
ROWS = pa.RecordBatch.from_pydict(
    {
        "id": pa.array([LARGE, LARGE + 1, -(LARGE + 1)], pa.int64()),
        "name": ["Νήσος Α", "ΝΗΣΟΣ Β", "νησοσ γ"],
        "moment": pa.array(
            [datetime(2026, 1, day, 23, 59, tzinfo=UTC) for day in (1, 2, 3)],
            pa.timestamp("ms", "UTC"),
        ),
        "local": pa.array([datetime(2026, 1, day) for day in (1, 2, 3)], pa.timestamp("us")),
        "code": ["9007199254740993", "x", None],
    }
)


def passing(text: Any) -> list[int]:
    mask = compile_filter(text, ROWS.schema).passes(ROWS)
    return [number for number, passes in enumerate(mask.to_pylist()) if passes]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("id = 9007199254740993", [1]),
        ("id = -9007199254740993", [2]),
        ("id IN (9007199254740992, -9007199254740993)", [0, 2]),
        ("id BETWEEN 9007199254740993 AND 9007199254740999", [1]),
        ({"op": "=", "args": [{"property": "id"}, LARGE + 1]}, [1]),
        ("code = '9007199254740993'", [0]),
        ("CASEI(name) LIKE CASEI('ΝΗΣΟΣ%')", [1, 2]),
        ("CASEI(name) LIKE CASEI('νήσος%')", [0]),
        ("CASEI(name) = CASEI('νησος β')", [1]),
        ("moment = DATE('2026-01-02')", [1]),
        ("moment >= DATE('2026-01-02')", [1, 2]),
        ("moment < DATE('2026-01-02')", [0]),
        ("local > DATE('2026-01-01') AND moment <= DATE('2026-01-02')", [1]),
        ("moment < TIMESTAMP('2026-01-02T23:59:00Z')", [0]),
    ],
)
def test_filter_lets_exactly_these_rows_through(text: Any, rows: list[int]) -> None:
    assert passing(text) == rows


@pytest.mark.parametrize("pattern", ["_" * 100_000, "%" * 5_000])
def test_pattern_that_is_too_long_is_refused(pattern: str) -> None:
    wanted = {"op": "like", "args": [{"property": "name"}, pattern]}
    with pytest.raises(RequestError, match="at most 1,000"):
        compile_filter(wanted, ROWS.schema)
    assert passing(f"name LIKE '{'_' * 999}%'") == []
