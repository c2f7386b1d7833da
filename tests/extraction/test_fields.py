"""Fields as a shapefile can hold them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, date, datetime

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marinemap.extraction.formats.fields import (
    DbfTexts,
    DbfType,
    dbf_type,
    launder_names,
    to_texts,
)

# A busy machine is no fault of the code.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
NAMES = st.lists(
    st.one_of(
        st.text(max_size=30),
        st.text("abcÄß_ 019", max_size=14),
        st.sampled_from(["FID", "fid", "Shape_Area", "shape_areas", "habitat_class"]),
    ),
    unique=True,
    max_size=40,
)


def kind_of(column: pa.Array) -> DbfType:
    return dbf_type(column.type)


def kept(column: pa.Array) -> DbfTexts:
    return to_texts(column, kind_of(column))


@unhurried
@given(NAMES)
def test_laundered_names_suit_every_reader_of_shapefiles(names: list[str]) -> None:
    laundered = launder_names(names)
    assert list(laundered) == names
    for new in laundered.values():
        assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,9}", new, re.ASCII)
        assert new.lower() not in {"fid", "oid", "objectid", "shape", "shape_area", "shape_leng"}


@unhurried
@given(NAMES)
def test_laundered_names_are_unique_without_regard_to_case(names: list[str]) -> None:
    lowered = [new.lower() for new in launder_names(names).values()]
    assert len(set(lowered)) == len(names)


def test_same_names_give_the_same_result_in_every_process() -> None:
    names = ["habitat_class", "habitat_code", "Name", "NAME", "FID", "珊瑚", "1990", ""]
    code = "from marinemap.extraction.formats.fields import launder_names;"
    code += f" print(launder_names({names}))"
    for seed in ("0", "1", "2"):
        said = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=600,
        )
        assert said.stdout.strip() == str(launder_names(names))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["name", "depth_m"], ["name", "depth_m"]),
        (["habitat_class", "habitat_class_code"], ["habitat_cl", "habitat__1"]),
        (["Größe", "Tiefe in m", "Récif"], ["Grosse", "Tiefe_in_m", "Recif"]),
        (["1990", "2000_census_area"], ["f_1990", "f_2000_cen"]),
        (["珊瑚", ""], ["field", "field_1"]),
        (["FID", "Shape_Area"], ["FID_1", "Shape_Ar_1"]),
        (["Name", "NAME"], ["Name", "NAME_1"]),
        (["a\nb", "a\x1bb"], ["a_b", "a_b_1"]),
    ],
)
def test_names_are_laundered_as_a_person_would(names: list[str], expected: list[str]) -> None:
    assert list(launder_names(names).values()) == expected


@unhurried
@given(st.lists(st.one_of(st.none(), st.text(max_size=400)), max_size=5))
def test_long_texts_are_cut_between_characters(texts: list[str | None]) -> None:
    found = kept(pa.array(texts, pa.string()))
    long = [text for text in texts if text is not None and len(text.encode()) > 254]
    assert found.cut == len(long)
    for before, after in zip(texts, found.texts.to_pylist(), strict=True):
        if before is None or len(before.encode()) <= 254:
            assert after == before
        else:
            assert before.startswith(after)
            # One character of UTF-8 is four bytes at most.
            assert 251 <= len(after.encode()) <= 254


@pytest.mark.parametrize(
    ("character", "count"), [("a", 254), ("é", 127), ("珊", 84), ("🐠", 63)], ids="1234"
)
def test_text_is_cut_at_254_bytes(character: str, count: int) -> None:
    found = kept(pa.array([character * 300]))
    assert found.texts.to_pylist() == [character * count]
    assert found.cut == 1


@pytest.mark.parametrize(
    ("column", "letter", "texts"),
    [
        (pa.array([1, None, -(2**31)], pa.int32()), "N", ["1", None, "-2147483648"]),
        (pa.array([10**15 - 1], pa.int64()), "N", ["999999999999999"]),
        (pa.array([1.5, None]), "N", ["1.5", None]),
        (pa.array([True, False, None]), "L", ["T", "F", None]),
        (pa.array([date(2026, 11, 21), None]), "D", ["20261121", None]),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)
def test_types_of_dbf_keep_their_values(
    column: pa.Array, letter: str, texts: list[str | None]
) -> None:
    assert kind_of(column).kind == letter
    found = kept(column)
    assert found.texts.to_pylist() == texts
    assert (found.cut, found.lost) == (0, 0)


@pytest.mark.parametrize(
    ("column", "texts"),
    [
        (
            pa.array([datetime(2026, 11, 21, 12, 30, tzinfo=UTC), None]),
            ["2026-11-21T12:30:00+00:00", None],
        ),
        (pa.array([b"\x00\xff", None]), ["00ff", None]),
        (pa.array([["a", "b"], None]), ['["a", "b"]', None]),
        (pa.array(["x", None, "x"]).dictionary_encode(), ["x", None, "x"]),
        (pa.array(["x"], pa.large_string()), ["x"]),
    ],
    ids=["date-time", "binary", "list", "dictionary", "large text"],
)
def test_other_types_become_text(column: pa.Array, texts: list[str | None]) -> None:
    assert kind_of(column).kind == "C"
    found = kept(column)
    assert found.texts.type == pa.string()
    assert found.texts.to_pylist() == texts
