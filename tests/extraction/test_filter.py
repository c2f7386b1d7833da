"""Filters: each value is compared as it is, and what cannot be computed is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely

from marinemap.errors import RequestError
from marinemap.extraction.filter import compile_filter
from marinemap.extraction.filter_spatial import GeometryField

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
        # Finer than what the field holds.
        ("moment >= TIMESTAMP('2026-01-02T23:59:00.000500Z')", [2]),
        ("moment < TIMESTAMP('2026-01-02T23:59:00.000500Z')", [0, 1]),
        ("moment = TIMESTAMP('2026-01-02T23:59:00.000500Z')", []),
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


@pytest.mark.parametrize(
    ("pattern", "texts"),
    [
        (r"a\\b", ["a\\b"]),
        (r"a\\%", ["a\\b", "a\\"]),
        (r"%\\", ["a\\"]),
        (r"%\\%", ["a\\b", "a\\"]),
        (r"a\%b", ["a%b"]),
        (r"a\_%", ["a_b"]),
        (r"\a\_b", ["a_b"]),
        (r"%\b", ["a\\b", "a%b", "a_b", "a\nb"]),
        ("a_b", ["a\\b", "a%b", "a_b", "a\nb"]),
        ("a\\", ["a\\"]),
    ],
)
def test_backslash_in_a_pattern_takes_the_next_sign_for_itself(
    pattern: str, texts: list[str]
) -> None:
    rows = pa.RecordBatch.from_pydict({"text": ["a\\b", "a%b", "a_b", "a\nb", "a\\"]})
    wanted = {"op": "like", "args": [{"property": "text"}, pattern]}
    mask = compile_filter(wanted, rows.schema).passes(rows)
    assert rows.filter(mask).column("text").to_pylist() == texts


GEOMETRY = GeometryField("place", moved=lambda there: there, boxes=lambda bbox: [tuple(bbox)])
# Of each kind: apart, within, around, across, beside and the same as the square of 2 to 4.
SHAPES = np.array(
    [
        *(shapely.box(*box) for box in ((5, 5, 6, 6), (2.5, 2.5, 3, 3), (0, 0, 9, 9))),
        *(shapely.box(*box) for box in ((3, 3, 5, 5), (4, 2, 6, 4), (2, 2, 4, 4))),
        *(
            shapely.LineString(line)
            for line in ([(0, 3), (9, 3)], [(2, 2), (4, 2)], [(3, 3), (3, 4)])
        ),
        *(shapely.Point(point) for point in ((3, 3), (2, 2), (9, 9))),
        shapely.Polygon([(0, 0), (3, 3), (3, 0), (0, 3), (0, 0)]),
        None,
        shapely.Polygon(),
    ],
    object,
)


@pytest.mark.parametrize(
    "name",
    ["intersects", "equals", "disjoint", "touches", "within", "contains", "overlaps", "crosses"],
)
@pytest.mark.parametrize(
    "literal",
    [
        "POLYGON((2 2,4 2,4 4,2 4,2 2))",
        "LINESTRING(0 3,9 3)",
        "POINT(3 3)",
        "MULTIPOINT((2 2),(3 3))",
    ],
)
def test_spatial_functions_hold_where_geos_says_so(name: str, literal: str) -> None:
    other = shapely.from_wkt(literal)
    function = getattr(shapely, name)
    for text, expected in (
        (f"S_{name.upper()}(place, {literal})", function(SHAPES, other)),
        (f"S_{name.upper()}({literal}, place)", function(other, SHAPES)),
    ):
        compiled = compile_filter(text, ROWS.schema, geometry=GEOMETRY)
        found = np.asarray(compiled.passes(None, SHAPES))
        assert found.tolist() == [bool(each) for each in expected], text
        # The index may leave out what touches none of the boxes.
        for west, south, east, north in shapely.bounds(SHAPES[found]) if compiled.boxes else ():
            assert any(
                west <= box[2] and box[0] <= east and south <= box[3] and box[1] <= north
                for box in compiled.boxes
            ), text
