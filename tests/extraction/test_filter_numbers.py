"""Numbers in filters: compared as they are, whatever their types, and computed as doubles are."""

from __future__ import annotations

import math
import operator
import random
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pytest

from marinemap.errors import RequestError
from marinemap.extraction.filters.filter import compile_filter

_INTEGERS = [0, 1, -7, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 2**62 + 1, None]
_REALS = [0.0, -0.0, 0.5, 2.0**53, -(2.0**63), 2.0**63, 1e300, -1e300, 5e-324, None]
_COUNT = 400
_CHOICE = random.Random(1)
ROWS = pa.RecordBatch.from_pydict(
    {
        "whole": pa.array(_CHOICE.choices(_INTEGERS, k=_COUNT), pa.int64()),
        "small": pa.array(_CHOICE.choices([*range(-9, 9), None], k=_COUNT), pa.int32()),
        "real": pa.array(_CHOICE.choices(_REALS, k=_COUNT), pa.float64()),
        "text": pa.array(["x"] * _COUNT),
    }
)
_COMPARISONS = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_LITERALS = [0.5, 1e300, -1e300, 2.0**63, 2**63 - 1, -(2**63), 2**53 + 1, 10**30, -(10**30)]


def passing(text: Any) -> list[bool]:
    passes: list[bool] = compile_filter(text, ROWS.schema).passes(ROWS).to_pylist()
    return passes


@pytest.mark.parametrize("name", _COMPARISONS)
@pytest.mark.parametrize("left", ["whole", "small", "real"])
@pytest.mark.parametrize("right", ["whole", "real", *_LITERALS])
def test_numbers_of_any_type_and_size_are_compared_exactly(
    name: str, left: str, right: Any
) -> None:
    compare = _COMPARISONS[name]
    lefts = ROWS.column(left).to_pylist()
    is_field = isinstance(right, str)
    rights = ROWS.column(right).to_pylist() if is_field else [right] * _COUNT
    expected = [
        a is not None and b is not None and compare(Fraction(a), Fraction(b))
        for a, b in zip(lefts, rights, strict=True)
    ]
    other = {"property": right} if is_field else right
    assert passing({"op": name, "args": [{"property": left}, other]}) == expected
    if is_field:
        assert passing(f"{left} {name} {right}") == expected


def test_number_beyond_all_doubles_is_greater_than_each() -> None:
    wanted = {"op": "<", "args": [{"property": "real"}, 10**400]}
    assert passing(wanted) == [each is not None for each in ROWS.column("real").to_pylist()]
    assert passing("whole < 9223372036854775808") == passing("whole IS NOT NULL")
    assert passing("4611686018427387905 IN (1e300, 1)") == [False] * _COUNT


@pytest.mark.parametrize("divisor", [-13, 7, 0.3, 5e-324, 1e300, 0])
@pytest.mark.parametrize("name", ["whole", "small", "real"])
def test_remainder_is_the_one_of_doubles(name: str, divisor: float) -> None:
    remainders = [
        None if each is None or divisor == 0 else math.fmod(each, divisor)
        for each in ROWS.column(name).to_pylist()
    ]
    found = {"op": "%", "args": [{"property": name}, divisor]}
    for limit in (-1, 0, 1e-9):
        expected = [each is not None and each > limit for each in remainders]
        assert passing({"op": ">", "args": [found, limit]}) == expected


@pytest.mark.parametrize(
    "wanted",
    [
        {"op": "=", "args": [{"op": ["x"]}, 1]},
        {"op": "=", "args": [{"op": {}, "args": []}, {"op": ["+"]}]},
        {"op": "=", "args": [{"property": "text"}, 10**400]},
        {"op": "like", "args": [{"op": []}, "x"]},
        {"op": "isNull", "args": [{"op": []}]},
    ],
)
def test_what_is_no_filter_is_refused_in_words(wanted: Any) -> None:
    with pytest.raises(RequestError):
        compile_filter(wanted, ROWS.schema)
