"""Sources as other programs leave them, by every way that the API and the shell have into one."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pyarrow as pa
import pytest
import shapely
from django.core.management import CommandError, call_command
from django.test import Client

from marinemap.catalogue.registration import register
from marinemap.errors import DatasetError
from tests.api.conftest import Post, run
from tests.extraction.layers import write_layer
from tests.extraction.parquet_files import write_parquet
from tests.extraction.s57_cell import write_chart
from tests.extraction.test_odd_sources import (
    ARABIC,
    HEBREW,
    POINTS,
    changed_in,
    odd_days,
    shapefile,
)

AREA = [-20.0, -20.0, 20.0, 20.0]
Make = Callable[[Path], Path]

pytestmark = pytest.mark.django_db


def with_infinity(folder: Path) -> Path:
    return write_layer(folder / "sea.gpkg", [*POINTS, shapely.Point(math.inf, 0)])


def with_nowhere(folder: Path) -> Path:
    return write_layer(folder / "sea.gpkg", [*POINTS, None, shapely.Point(math.nan, 1)])


def with_stale_index(folder: Path) -> Path:
    source = write_layer(folder / "sea.gpkg", POINTS)
    changed_in(source, "DELETE FROM rtree_sea_geom WHERE id = 2")
    return source


def with_broken_text(folder: Path) -> Path:
    source = write_layer(folder / "sea.gpkg", POINTS * 100, {"name": ["x"] * 200})
    changed_in(source, "UPDATE sea SET name = CAST(x'fffe' AS TEXT) WHERE fid = 150")
    return source


# By what they are: how many features lie somewhere within.
SERVED: dict[str, tuple[Make, int]] = {
    "Arabic": (lambda f: shapefile(f, b"name", "سلام".encode("cp1256"), ARABIC, None), 2),
    "infinity": (with_infinity, 2),
    "nowhere": (with_nowhere, 2),
    "before the year one": (odd_days, 2),
    "field without a name": (lambda f: write_layer(f / "sea.gpkg", POINTS, {"": ["a", "b"]}), 2),
    "chart": (lambda f: write_chart(f / "XX123456.000"), 3),
}
REFUSED: dict[str, Make] = {
    "Hebrew": lambda f: shapefile(f, b"name", "שלום".encode("cp1255"), HEBREW, None),
    "stale index": with_stale_index,
    "broken text": with_broken_text,
    "geocentric": lambda f: write_layer(f / "s.gpkg", [shapely.Point(4e6, 1e6)], crs="EPSG:4978"),
}


def layer_in(source: Path) -> str | None:
    return "SOUNDG" if source.suffix == ".000" else None


def asked(post: Post, client: Client) -> Any:
    """Ask for an extract, and let a worker run it."""
    answer = post(client, {"inputs": {"layers": ["odd"], "area": AREA}})
    assert answer.status_code == 201, answer.content
    return run(answer.json()["jobID"])


# What GDAL says of days before the year one, which is told in other ways.
@pytest.mark.filterwarnings("ignore:Non-conformant")
@pytest.mark.parametrize("name", list(SERVED))
def test_what_is_accepted_is_served_alike(
    tmp_path: Path, new_client: Callable[..., Client], post: Post, name: str
) -> None:
    make, count = SERVED[name]
    source = make(tmp_path)
    register("odd", source, layer_in(source))
    client = new_client()
    items = client.get("/api/collections/odd/items", {"f": "json"})
    assert items.status_code == 200, items.content
    placed = [each for each in items.json()["features"] if each["geometry"]]
    assert len(placed) == count
    for path in ("", "/queryables", "/items?f=csv", "/items?f=html"):
        assert client.get(f"/api/collections/odd{path}").status_code == 200
    for field in client.get("/api/collections/odd").json()["fields"]:
        known = client.get("/api/collections/odd/values", {"field": field["name"]})
        is_plain = not field["type"].startswith(("list", "json"))
        assert known.status_code == (200 if is_plain else 400), known.content
        assert known.json().get("lookedAt", count) >= count
    placed_in = client.get("/api/collections/odd/items?bbox=-20,-20,20,20")
    assert placed_in.status_code == 200, placed_in.content
    assert sum(each["geometry"] is not None for each in placed_in.json()["features"]) == count
    inputs = {"inputs": {"layers": ["odd"], "area": AREA}}
    told = post(client, inputs, "estimate")
    assert (told.status_code, told.json().get("features")) == (200, count), told.content
    job = asked(post, client)
    assert job.status == "successful", job.message
    archive = b"".join(client.get(f"/api/jobs/{job.pk}/results").streaming_content)
    assert "report.json" in ZipFile(BytesIO(archive)).namelist()
    told = StringIO()
    box = "--area=-20,-20,20,20"
    call_command("extract", "odd", box, out=tmp_path / "odd.zip", stdout=told)
    assert f"odd: {count} features" in told.getvalue()
    assert f"{count} feature" in job.message


def test_years_before_the_first_and_a_polygon_of_nothing_are_json(
    tmp_path: Path, new_client: Callable[..., Client]
) -> None:
    ticks = np.array(["-0043-03-15T10:00", "NaT", "2020-01-01T12:00"], "datetime64[s]")
    columns = {
        "day": pa.array(ticks.astype("datetime64[D]")),
        "moment": pa.array(ticks),
        "zoned": pa.array(ticks).cast(pa.timestamp("s", "UTC")),
    }
    places = [shapely.box(0, 0, 1, 1), shapely.Polygon(), shapely.box(2, 2, 3, 3)]
    register("odd", write_parquet(tmp_path / "sea.parquet", np.array(places), columns))
    answer = new_client().get("/api/collections/odd/items", {"f": "json"})
    first, second, third = answer.json()["features"]
    assert first["properties"] == {
        "day": "-0043-03-15",
        "moment": "-0043-03-15T10:00:00.000000",
        "zoned": "-0043-03-15T10:00:00.000000Z",
    }
    assert second["properties"] == {"day": None, "moment": None, "zoned": None}
    assert second["geometry"] == {"type": "Polygon", "coordinates": []}
    assert third["properties"]["day"] == "2020-01-01"


@pytest.mark.parametrize("name", list(REFUSED))
def test_what_is_refused_is_refused_alike(
    tmp_path: Path, new_client: Callable[..., Client], post: Post, name: str
) -> None:
    """Also where it has taken the place of a layer that was sound."""
    (tmp_path / "odd").mkdir()
    odd = REFUSED[name](tmp_path / "odd")
    with pytest.raises(DatasetError):
        register("odd", odd)
    place = tmp_path / f"sea{odd.suffix}"
    driver = "ESRI Shapefile" if odd.suffix == ".shp" else "GPKG"
    write_layer(place, POINTS, kind="Point", driver=driver)
    register("odd", place)
    for part in odd.parent.glob(f"{odd.stem}.*"):
        shutil.copyfile(part, place.with_suffix(part.suffix))
    client = new_client()
    answers = [
        client.get("/api/collections/odd"),
        client.get("/api/collections/odd/items"),
        post(client, {"inputs": {"layers": ["odd"], "area": AREA}}, "estimate"),
    ]
    for answer in answers:
        assert b"Something went wrong here" not in answer.content
        assert str(tmp_path).encode() not in answer.content
    job = asked(post, client)
    assert "unexpectedly" not in job.message
    assert str(tmp_path) not in job.message
    if job.status == "failed":
        with pytest.raises(CommandError):
            call_command("extract", "odd", "--area=-20,-20,20,20", out=tmp_path / "odd.zip")
