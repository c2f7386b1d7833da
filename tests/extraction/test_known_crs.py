"""The registry of coordinate systems: by words, by place."""

from __future__ import annotations

import pyproj
import pytest

from marinemap.errors import RequestError
from marinemap.extraction import KnownCrs, parse_crs, search_crs

AEGEAN = (22.6, 35.4, 28.2, 40.6)


@pytest.mark.parametrize(
    ("text", "code"),
    [("2154", "2154"), ("EPSG:25832", "25832"), ("utm 34n", "32634"), ("Réunion UTM", "2975")],
)
def test_code_and_words_find_what_is_meant_first(text: str, code: str) -> None:
    assert search_crs(text)[0].code == code


@pytest.mark.parametrize(("text", "code"), [("WGS 84", "4326"), ("etrs89", "4258")])
def test_whole_name_is_meant_before_those_that_begin_with_it(text: str, code: str) -> None:
    assert search_crs(text, AEGEAN)[0].code == code
    assert "4326" in [each.code for each in search_crs("wgs84 4326")]


def test_what_proj_cannot_compute_is_neither_found_nor_taken() -> None:
    assert not {"32600", "32700", "3145"} & {each.code for each in search_crs("utm", limit=100)}
    assert search_crs("Faroe Lambert") == search_crs("32600") == []
    with pytest.raises(RequestError, match=r"EPSG:32600 \(WGS 84 / UTM grid system"):
        parse_crs("EPSG:32600")


def test_signs_without_a_word_find_nothing() -> None:
    assert search_crs("🐟") == search_crs(" % ") == []
    assert search_crs(" ") == search_crs("")


def test_all_words_count_in_any_order_and_only_as_beginnings() -> None:
    found = search_crs("laea Europe", limit=100)
    assert "3035" in [each.code for each in found]
    assert all("LAEA" in each.name or "Equal" in each.name for each in found)
    assert search_crs("urope") == []
    assert search_crs("LAEA nowhere-at-all") == []


def test_those_made_for_an_area_come_first_the_narrowest_in_front() -> None:
    # In the Gulf of Corinth, within one zone.
    found = search_crs("utm zone", (22.5, 38.0, 23.0, 38.4), 100)
    fitting = [each.covers((22.5, 38.0, 23.0, 38.4)) for each in found]
    assert fitting == sorted(fitting, reverse=True) and fitting[0] and not fitting[-1]
    assert found[0].code == "32634"
    assert [each.code for each in search_crs("", AEGEAN, 1)] == ["2100"]


def test_areas_across_180_degrees_are_those_of_the_registry() -> None:
    # By the registry 3832 is made for 98.69 E to 68 W.
    (pacific,) = search_crs("3832", limit=1)
    assert pacific.covers((175, -20, -175, -10)) and pacific.covers((100, -20, 170, -10))
    assert not pacific.covers((90, -20, 100, -10)) and not pacific.covers((-175, -20, 175, -10))
    world = KnownCrs("4326", "WGS 84", "World", (-180, -90, 180, 90), False)
    assert world.covers((175, -90, -175, 90)) and world.covers((-180, -90, 180, 90))


def test_what_is_found_can_be_asked_for() -> None:
    found = search_crs("", limit=10_000)
    assert len({each.code for each in found}) == len(found) > 5000
    for each in found[:: len(found) // 40]:
        assert isinstance(parse_crs(f"EPSG:{each.code}"), pyproj.CRS)
