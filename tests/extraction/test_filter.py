"""Filters: each value is compared as it is, and what cannot be computed is refused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely

from marinemap.errors import RequestError
from marinemap.extraction.filters.filter import compile_filter
from marinemap.extraction.filters.spatial import GeometryField

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
        ("ACCENTI(name) LIKE ACCENTI('Νησος%')", [0]),
        ("CASEI(ACCENTI(name)) LIKE CASEI(ACCENTI('νησος%'))", [0, 1, 2]),
        ("ACCENTI(CASEI(name)) = ACCENTI(CASEI('ΝΉΣΟΣ Β'))", [1]),
        (True, [0, 1, 2]),
        (False, []),
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


def moment(text: str) -> dict[str, str]:
    return {"timestamp": text}


@pytest.fixture
def machine_in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("machine_in_tokyo")
@pytest.mark.parametrize(
    ("name", "text"), [("local", "2026-01-02T00:00:00"), ("moment", "2026-01-02T23:59:00")]
)
def test_moment_without_a_zone_is_of_utc_wherever_the_machine_is(name: str, text: str) -> None:
    for operator in ("=", "t_equals"):
        assert passing({"op": operator, "args": [{"property": name}, moment(text)]}) == [1]


@pytest.mark.parametrize(
    ("left", "right", "rows"),
    [
        ({"property": "day"}, moment("2026-01-02T05:00:00+09:00"), [0]),
        ({"property": "day"}, moment("2026-01-01T23:00:00-05:00"), [1]),
        (moment("2026-01-02T23:00:00Z"), {"property": "day"}, [1]),
        ({"property": "day"}, {"property": "seen"}, [0, 2]),
        ({"property": "seen"}, {"property": "day"}, [0, 2]),
        ({"property": "day"}, {"property": "local"}, [0, 1, 2]),
    ],
)
def test_day_is_compared_with_a_moment_by_its_day_in_utc(
    left: Any, right: Any, rows: list[int]
) -> None:
    days = [date(2026, 1, day) for day in (1, 2, 3)]
    seen = [datetime(2026, 1, day, 23, 59, tzinfo=UTC) for day in (1, 3, 3)]
    local = [datetime(2026, 1, day, 12) for day in (1, 2, 3)]
    table = pa.RecordBatch.from_pydict({"day": days, "seen": seen, "local": local})
    for operator in ("=", "t_equals"):
        mask = compile_filter({"op": operator, "args": [left, right]}, table.schema).passes(table)
        assert [number for number, passes in enumerate(mask.to_pylist()) if passes] == rows


@pytest.mark.parametrize("wanted", ["STRASSE", "straße", "Strasse"])
def test_casei_folds_as_unicode_does(wanted: str) -> None:
    """Arrow's letters are changed one by one: ß stayed apart from SS (Unicode 15, 3.13, D145)."""
    rows = pa.RecordBatch.from_pydict({"name": ["Straße", "STRASSE", "street", None, "ﬁsh"]})
    for text, expected in ((wanted, [0, 1]), ("FISH", [4])):
        mask = compile_filter(f"CASEI(name) = CASEI('{text}')", rows.schema).passes(rows)
        assert [number for number, passes in enumerate(mask.to_pylist()) if passes] == expected


TIMES = pa.RecordBatch.from_pydict(
    {
        "begun": pa.array([date(2026, 1, 10), date(2026, 1, 15), None, date(1969, 1, 1)]),
        "ended": pa.array([date(2026, 1, 20), date(2026, 1, 15), date(2026, 1, 1), None]),
        "seen": pa.array(
            [datetime(2026, 1, day, 12, tzinfo=UTC) for day in (9, 10, 15)] + [None],
            pa.timestamp("ms", "UTC"),
        ),
        "local": pa.array([datetime(1969, 12, 31, 23, 59, 59, 5)] * 4, pa.timestamp("us")),
        "name": ["a", "b", "c", "d"],
    }
)
# Start and end of one, start and end of the other, as the standard has them (21-065r2, table 8).
RELATIONS = {
    "AFTER": lambda a, b, c, d: a > d,
    "BEFORE": lambda a, b, c, d: b < c,
    "CONTAINS": lambda a, b, c, d: a < c and b > d,
    "DISJOINT": lambda a, b, c, d: b < c or a > d,
    "DURING": lambda a, b, c, d: a > c and b < d,
    "EQUALS": lambda a, b, c, d: a == c and b == d,
    "FINISHEDBY": lambda a, b, c, d: a < c and b == d,
    "FINISHES": lambda a, b, c, d: a > c and b == d,
    "INTERSECTS": lambda a, b, c, d: not (b < c or a > d),
    "MEETS": lambda a, b, c, d: b == c,
    "METBY": lambda a, b, c, d: a == d,
    "OVERLAPPEDBY": lambda a, b, c, d: c < a < d and b > d,
    "OVERLAPS": lambda a, b, c, d: a < c and c < b < d,
    "STARTEDBY": lambda a, b, c, d: a == c and b > d,
    "STARTS": lambda a, b, c, d: a == c and b < d,
}
DAYS = [(1, 4), (4, 6), (2, 3), (1, 2), (3, 4), (2, 6), (0, 2), (1, 9), (2, 4), (7, 8), (3, 3)]


@pytest.mark.parametrize("name", RELATIONS)
def test_temporal_function_holds_where_the_standard_says_so(name: str) -> None:
    spans = [[date(2026, 1, 1 + each) for each in span] for span in DAYS]
    rows = pa.RecordBatch.from_pydict(
        {"a": [start for start, _ in spans], "b": [end for _, end in spans]}
    )
    for start, end in spans:
        text = f"T_{name}(INTERVAL(a, b), INTERVAL('{start}', '{end}'))"
        found = compile_filter(text, rows.schema).passes(rows).to_pylist()
        assert found == [RELATIONS[name](*span, start, end) for span in spans], text


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("T_AFTER(seen, DATE('2026-01-09'))", [1, 2]),
        ("T_AFTER(seen, TIMESTAMP('2026-01-10T12:00:00Z'))", [2]),
        ("T_AFTER(seen, TIMESTAMP('2026-01-10T13:59:59+02:00'))", [1, 2]),
        ("T_BEFORE(TIMESTAMP('2026-01-10T12:00:00Z'), seen)", [2]),
        ("T_DURING(seen, INTERVAL('2026-01-09', '2026-01-15'))", [1]),
        ("T_DURING(seen, INTERVAL('..', '2026-01-15T12:00:00.001Z'))", [0, 1, 2]),
        ("T_INTERSECTS(seen, INTERVAL('2026-01-10', '..'))", [1, 2]),
        ("T_INTERSECTS(INTERVAL(begun, ended), INTERVAL(seen, DATE('2026-01-15')))", [0, 1]),
        ("T_EQUALS(begun, ended)", [1]),
        ("T_EQUALS(seen, begun)", []),
        ("T_EQUALS(local, DATE('1969-12-31'))", [0, 1, 2, 3]),
        ("T_BEFORE(local, TIMESTAMP('1970-01-01T00:00:00Z'))", [0, 1, 2, 3]),
        ("NOT T_BEFORE(begun, DATE('2026-01-12'))", [1]),
        ({"op": "t_metBy", "args": [{"property": "begun"}, {"date": "2026-01-15"}]}, [1]),
    ],
)
def test_times_are_compared_by_moments_or_days(text: Any, rows: list[int]) -> None:
    mask = compile_filter(text, TIMES.schema).passes(TIMES)
    assert [number for number, passes in enumerate(mask.to_pylist()) if passes] == rows


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("T_AFTER(name, DATE('2026-01-01'))", "neither a day nor a moment"),
        ("T_AFTER(none, DATE('2026-01-01'))", "no field 'none'"),
        ("T_AFTER(seen, 5)", "no time: write DATE"),
        ({"op": "t_after", "args": [{"property": "seen"}, ".."]}, "open end of an interval"),
        ({"op": "t_after", "args": [{"property": "seen"}, {"interval": ["..", []]}]}, "no time"),
        ({"op": "t_after", "args": [{"property": "seen"}, {"interval": [".."]}]}, "two ends"),
        ({"op": "t_after", "args": [{"property": "seen"}]}, "2 arguments"),
        ("T_DURING(seen, INTERVAL('2026-02-01', '2026-01-01'))", "ends before it begins"),
        ("T_DURING(seen, INTERVAL('2026-02-30', '..'))", "no time"),
        ("T_DURING(seen, INTERVAL('0001-01-01T00:00:00+14:00', '..'))", "no time"),
    ],
)
def test_what_is_no_time_is_refused(text: Any, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        compile_filter(text, TIMES.schema)


@pytest.mark.parametrize("pattern", ["_" * 100_000, "%" * 5_000])
def test_pattern_that_is_too_long_is_refused(pattern: str) -> None:
    wanted = {"op": "like", "args": [{"property": "name"}, pattern]}
    with pytest.raises(RequestError, match="at most 1,000"):
        compile_filter(wanted, ROWS.schema)
    assert passing(f"name LIKE '{'_' * 999}%'") == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("text = 'O''Brien'", ["O'Brien"]),
        (r"text = 'O\'Brien'", ["O'Brien"]),
        (r"text IN ('O\'Brien', 'it''s') AND text LIKE 'O\'%'", ["O'Brien"]),
        (r"text = 'C:\'", ["C:\\"]),
        (r"text = 'C:\' OR text = 'it''s'", ["C:\\", "it's"]),
    ],
)
def test_apostrophe_is_written_in_either_way_of_the_standard(text: str, found: list[str]) -> None:
    rows = pa.RecordBatch.from_pydict({"text": ["O'Brien", "C:\\", "it's"]})
    mask = compile_filter(text, rows.schema).passes(rows)
    assert rows.filter(mask).column("text").to_pylist() == found


def test_apostrophe_hides_no_nesting() -> None:
    deep = "(" * 4_000 + "1" + ")" * 4_000
    with pytest.raises(RequestError, match="parts or 32 levels"):
        compile_filter(rf"name = 'a\'' AND id = {deep} AND name = 'b'", ROWS.schema)


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        ("name = NULL", "nothing is equal to NULL", "IS NULL"),
        (
            "moment = TIMESTAMP('2026-02-30T00:00:00Z')",
            "'2026-02-30T00:00:00Z' is no",
            "TIMESTAMP(",
        ),
        ("moment = DATE('2026-1-1')", "'2026-1-1' is no day", "DATE('2026-01-31')"),
        ("name = DATE('2026-01-01')", " 2026-01-01 is no value for a field of type string", ""),
    ],
)
def test_value_that_is_none_is_told_in_words(text: str, words: str, hint: str) -> None:
    with pytest.raises(RequestError, match=words) as refused:
        compile_filter(text, ROWS.schema)
    assert hint in (refused.value.hint or "")


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


GEOMETRY = GeometryField(
    "place",
    moved=lambda there: there,
    boxes=lambda bbox: [tuple(bbox)],
    followed=lambda _, there: there,
)
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


def test_half_of_a_character_is_refused_as_such() -> None:
    with pytest.raises(RequestError, match="it holds what cannot be kept"):
        compile_filter("name = '\ud83d'", ROWS.schema)
