"""A click on the map: a feature of a drawing is found by its id, whatever the source."""

from __future__ import annotations

import contextlib
import gzip
import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mapbox_vector_tile
import numpy as np
import pyogrio
import pytest
import shapely
from django.test import Client
from pmtiles.reader import MemorySource, all_tiles

from marinemap.catalogue.drawings import draw_missing
from marinemap.catalogue.freshness import refresh
from marinemap.catalogue.registration import register
from tests.extraction.s57_cell import write_chart

# mapbox_vector_tile 2.2.0 calls what shapely 2.2 deprecates.
pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
NewClient = Callable[..., Client]
PLACES = [(4.0 + n, 44.0 + n / 2) for n in range(5)]


def of_gdal(path: Path, places: Any = tuple(PLACES), **options: Any) -> Path:
    """Write a point for each place, named after its number, by one of GDAL's drivers."""
    points = [None if place is None else shapely.Point(place) for place in places]
    pyogrio.raw.write(
        path,
        shapely.to_wkb(np.array(points, object)),
        field_data=[np.array([f"at {n}" for n in range(len(points))], object)],
        fields=["name"],
        geometry_type="Point",
        crs="EPSG:4326",
        **options,
    )
    return path


def gappy_geopackage(folder: Path) -> Path:
    """Return a GeoPackage with keys far apart, out of order, one of them beyond 32 bits."""
    path = of_gdal(folder / "gappy.gpkg")
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            database.execute(f'DROP TRIGGER "{name}"')
        for old, new in ((1, 700), (2, 90), (3, 1 << 40), (5, 12)):
            database.execute("UPDATE gappy SET fid = ? WHERE fid = ?", [new, old])
            database.execute("UPDATE rtree_gappy_geom SET id = ? WHERE id = ?", [new, old])
    return path


def numbered_geojson(folder: Path, numbers: list[Any]) -> Path:
    """Return GeoJSON whose features have identifiers of their own."""
    features = [
        {
            "type": "Feature",
            "id": number,
            "properties": {"name": f"at {n}"},
            "geometry": {"type": "Point", "coordinates": PLACES[n]},
        }
        for n, number in enumerate(numbers)
    ]
    path = folder / "numbered.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def with_nowhere(path: Path) -> Path:
    """Return a source of which the second feature lies nowhere."""
    return of_gdal(path, [PLACES[0], None, *PLACES[2:]])


SOURCES: dict[str, Callable[[Path], Path]] = {
    "GeoPackage": lambda folder: of_gdal(folder / "p.gpkg"),
    "GeoPackage with gaps": gappy_geopackage,
    "GeoPackage, one nowhere": lambda folder: with_nowhere(folder / "p.gpkg"),
    "shapefile": lambda folder: of_gdal(folder / "p.shp"),
    "shapefile, one nowhere": lambda folder: with_nowhere(folder / "p.shp"),
    "FlatGeobuf": lambda folder: of_gdal(folder / "p.fgb"),
    "FlatGeobuf without index": lambda folder: of_gdal(folder / "p.fgb", SPATIAL_INDEX="NO"),
    "GeoJSON": lambda folder: of_gdal(folder / "p.geojson"),
    "GeoJSON with ids": lambda folder: numbered_geojson(folder, [5_000, 17, 3, 4, 900]),
    "GeoJSON with names": lambda folder: numbered_geojson(folder, ["e", "d", "c", "b", "a"]),
    "lines of GeoJSON": lambda folder: of_gdal(folder / "p.geojsonl", driver="GeoJSONSeq"),
    "KML": lambda folder: of_gdal(folder / "p.kml", driver="LIBKML"),
    "GML": lambda folder: of_gdal(folder / "p.gml", driver="GML"),
    "SpatiaLite": lambda folder: of_gdal(folder / "p.sqlite", driver="SQLite"),
    "MapInfo": lambda folder: of_gdal(folder / "p.tab", driver="MapInfo File"),
    "file geodatabase": lambda folder: of_gdal(folder / "p.gdb", driver="OpenFileGDB"),
}


def drawn_points(client: Client, base: str) -> Iterator[tuple[int, tuple[float, float]]]:
    """Yield id and place of the points of a layer's drawing, as the page reads it."""
    links = client.get(base).json()["links"]
    (address,) = [link["href"] for link in links if link["type"] == "application/vnd.pmtiles"]
    archive = b"".join(client.get(address).streaming_content)
    tiles = list(all_tiles(MemorySource(archive)))
    for (zoom, column, row), content in tiles:
        if zoom == tiles[-1][0][0]:
            (layer,) = mapbox_vector_tile.decode(
                gzip.decompress(content), default_options={"y_coord_down": True}
            ).values()
            for feature in layer["features"]:
                x, y = feature["geometry"]["coordinates"]
                x, y = (
                    (start + part / layer["extent"]) / 2**zoom
                    for start, part in ((column, x), (row, y))
                )
                latitude = np.degrees(np.arctan(np.sinh(np.pi * (1 - 2 * y))))
                yield feature["id"], (x * 360 - 180, float(latitude))


@pytest.mark.parametrize("kind", SOURCES)
def test_click_on_a_drawn_feature_finds_its_fields(
    kind: str, tmp_path: Path, new_client: NewClient
) -> None:
    register("clicked", SOURCES[kind](tmp_path))
    assert list(draw_missing())
    client, base = new_client(), "/api/collections/clicked"
    found = dict(drawn_points(client, base))
    assert len(found) == 5 - ("nowhere" in kind)
    for number, place in found.items():
        answer = client.get(f"{base}/items/{number}")
        assert answer.status_code == 200, answer.content
        item = answer.json()
        nearest = min(range(5), key=lambda n: abs(PLACES[n][0] - place[0]))
        properties = {key.lower(): value for key, value in item["properties"].items()}
        assert properties["name"] == f"at {nearest}"
        assert item["geometry"]["coordinates"][:2] == pytest.approx(place, abs=1e-3)


def test_click_on_a_sounding_finds_its_own_depth(tmp_path: Path, new_client: NewClient) -> None:
    """GDAL gives all soundings of a chart's record one id."""
    register("clicked", write_chart(tmp_path / "XX123456.000"), "SOUNDG")
    assert list(draw_missing())
    client, base = new_client(), "/api/collections/clicked"
    found = dict(drawn_points(client, base))
    depths = {}
    for number, place in found.items():
        item = client.get(f"{base}/items/{number}").json()
        assert item["geometry"]["coordinates"][:2] == pytest.approx(place, abs=1e-3)
        depths[item["id"]] = item["properties"]["DEPTH"]
    assert sorted(depths.values()) == [5.5, 7.0, 12.0]


def test_page_is_told_of_another_drawing(tmp_path: Path, new_client: NewClient) -> None:
    source = of_gdal(tmp_path / "p.gpkg")
    layer, *_ = register("clicked", source)
    client, base = new_client(), "/api/collections/clicked"

    def told() -> tuple[list[str], Any]:
        body = client.get(base).json()
        kept = [at["href"] for at in body["links"] if at["type"] == "application/vnd.pmtiles"]
        return kept, body.get("drawing")

    assert told() == ([], {"progress": 0})
    assert list(draw_missing())
    first = told()
    assert len(first[0]) == 1 and first[1] is None
    source.unlink()
    of_gdal(source, PLACES[:3])
    refresh(layer)
    # The old one is shown until there is another, whose address is another.
    assert told() == (first[0], {"progress": 0})
    assert list(draw_missing())
    assert told()[0] != first[0] and told()[1] is None
