"""What an estimate warns of, in the language of whoever reads it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import shapely
from django.test import Client

from marinemap.catalogue.registration import register
from tests.api.test_languages import DE, MARKED, marked, marked_texts
from tests.extraction.layers import write_layer
from tests.extraction.test_unreadable import ONE_POSITION, with_geometries

__all__ = ["marked", "marked_texts"]

NewClient = Callable[..., Client]
# A file, the inputs of an estimate, and parts of what it warns of.
Lossy = tuple[Path, dict[str, Any], list[str]]


def of_a_shapefile(folder: Path) -> Lossy:
    """More features than are looked at, with all that a shapefile's table cannot hold."""
    count = 5_000
    texts = pa.array(["x" * 300] * count)
    columns = {
        "a_long_field_name": pa.array(range(count)),
        "large": pa.array([10**16] * count),
        "text": texts,
        "endless": pa.array([math.inf] * count),
        "bytes": pa.array([b"x"] * count),
        **{f"f{n}": pa.array([1] * count, pa.int16()) for n in range(255)},
    }
    points = [shapely.Point(1 + n / count, 41) for n in range(count)]
    expected = ["would be named", "more than 15 digits", "cut to 254", "became null", "as text"]
    file = write_layer(folder / "lossy.gpkg", points, columns, kind="Point")
    return file, {"area": [0, 40, 5, 45]}, [*expected, "is left out", "features looked at"]


def _of_one_point(folder: Path, stated: str, x: float, y: float, **inputs: Any) -> tuple[Path, Any]:
    file = write_layer(folder / "lossy.gpkg", [shapely.Point(x, y)], kind="Point", crs=stated)
    return file, {"area": [x - 2, y - 1, x + 2, y + 1], **inputs}


def _stretched(folder: Path) -> Lossy:
    file = write_layer(folder / "lossy.gpkg", shapely.points([(5, 1), (28, 1)]), kind="Point")
    return file, {"area": [4, 0, 30, 2], "crs": "EPSG:32631"}, ["times its true length"]


def _elsewhere(folder: Path) -> Lossy:
    file = write_layer(folder / "lossy.gpkg", shapely.points([(0, 40), (5, 45)]), kind="Point")
    return file, {"area": [1, 43, 2, 44]}, ["within the area."]


def _unreadable(folder: Path) -> Lossy:
    changed = dict.fromkeys(range(3, 17), ONE_POSITION)
    file = with_geometries(folder / "sea.gpkg", changed)
    return file, {"area": [0, 0, 20, 20]}, ["cannot be read", "and 4 more"]


LOSSES: dict[str, Callable[[Path], Lossy]] = {
    "table": of_a_shapefile,
    "ballpark": lambda folder: (
        *_of_one_point(folder, "EPSG:4122", -64, 45, crs="EPSG:4326"),
        ["shift is left out"],
    ),
    "grid": lambda folder: (
        *_of_one_point(folder, "EPSG:4267", -115, 37, crs="EPSG:4326"),
        ["up to 7 m", "a grid that is not installed"],
    ),
    "stretched": _stretched,
    "elsewhere": _elsewhere,
    "filtered": lambda folder: (
        *_of_one_point(folder, "EPSG:4326", 20, 60, filter="number < 0"),
        ["passes the filter."],
    ),
    "unreadable": _unreadable,
}


def _digits(text: str) -> str:
    """Return a text without the signs within numbers, which each language has its own of."""
    return re.sub(r"(?<=\d)[.,\N{NO-BREAK SPACE}](?=\d)", "", text)


@pytest.mark.parametrize("case", LOSSES)
def test_warnings_of_an_estimate_are_told_whole_in_the_language_of_the_reader(
    db: None,
    new_client: NewClient,
    post: Callable[..., Any],
    marked: None,
    tmp_path: Path,
    case: str,
) -> None:
    file, inputs, expected = LOSSES[case](tmp_path)
    register("lossy", file)
    body = {"inputs": {"layers": ["lossy"], **inputs}}
    english, told = (post(new_client(each), body, "estimate") for each in ({}, MARKED))
    assert (told["Content-Language"], english["Content-Language"]) == ("eo", "en")
    plain, marked_too = (each.json()["layers"][0]["warnings"] for each in (english, told))
    assert [any(part in each for each in plain) for part in expected] == [True] * len(expected)
    assert all(re.match(r"⟦.*⟧$", each) for each in marked_too), marked_too
    assert [_digits(re.sub("[⟦⟧]", "", each)) for each in marked_too] == [*map(_digits, plain)]


def test_warnings_of_an_estimate_are_in_german(
    db: None, new_client: NewClient, post: Callable[..., Any], tmp_path: Path
) -> None:
    file, inputs, _ = of_a_shapefile(tmp_path)
    register("lossy", file)
    told = post(new_client(DE), {"inputs": {"layers": ["lossy"], **inputs}}, "estimate").json()
    warnings = "\n".join(told["layers"][0]["warnings"])
    assert "„a_long_field_name“ würde „a_long_fie“ heißen." in warnings
    cut = r"^Von [12]\.\d{3} betrachteten Objekten: [\d.]+ der Texte von „\w+“ auf 254 Byte gekürzt"
    assert re.search(cut, warnings, re.M)
