"""CRSs without a code: in each file they say what its positions are, or it is refused by name."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyogrio
import pyproj
import pytest
import shapely

from marinemap.errors import DatasetError, RequestError
from marinemap.extraction.projection import reproject
from tests.extraction.layers import read, run, unpack, write_layer

IN_KILOMETRES = pyproj.CRS("+proj=utm +zone=31 +datum=WGS84 +units=km")
SHIFTED = pyproj.CRS("+proj=tmerc +lon_0=9 +x_0=500000 +ellps=bessel +towgs84=598,74,418 +units=m")
ROTATED = pyproj.CRS("+proj=ob_tran +o_proj=longlat +o_lat_p=40 +o_lon_p=0 +lon_0=5 +datum=WGS84")
WHERE = shapely.Point(500.1234567, 5_000.1234567)


def in_kilometres(folder: Path) -> Path:
    crs = IN_KILOMETRES.to_wkt("WKT1_GDAL")
    return write_layer(folder / "source.gpkg", [WHERE], crs=crs)


@pytest.mark.parametrize(
    ("format_", "suffix"), [("geopackage", "gpkg"), ("shapefile", "shp"), ("filegdb", "gdb")]
)
def test_kilometres_stay_kilometres(tmp_path: Path, format_: str, suffix: str) -> None:
    result = run(in_kilometres(tmp_path), tmp_path, [2, 44, 4, 46], format=format_)
    (path,) = [each for each in unpack(result).glob(f"*.{suffix}") if "source" not in each.name]
    stated = pyproj.CRS.from_user_input(pyogrio.read_info(path)["crs"])
    assert stated.axis_info[0].unit_conversion_factor == 1_000
    (found,), _ = read(path)
    # A tenth of a millimetre is what a file geodatabase keeps.
    assert shapely.distance(found, WHERE) < 1e-7


def test_a_file_that_would_state_another_unit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="cannot stand in this format.*another unit"):
        run(in_kilometres(tmp_path), tmp_path, [2, 44, 4, 46], format="flatgeobuf")


@pytest.mark.parametrize(
    ("format_", "why"),
    [
        ("shapefile", "a .prj file has no words for it"),
        ("csv", "a .prj file has no words for it"),
        ("filegdb", "sea.gdb would state none"),
    ],
)
def test_a_crs_that_esri_has_no_words_for_is_refused(
    tmp_path: Path, format_: str, why: str
) -> None:
    points = [shapely.Point(0, 0)]
    source = write_layer(tmp_path / "source.gpkg", points, crs=ROTATED.to_wkt())
    with pytest.raises(RequestError, match=f"cannot stand in this format: {why}"):
        run(source, tmp_path, [-180, -90, 180, 90], format=format_)


def test_positions_beyond_the_grid_of_a_geodatabase_are_refused(tmp_path: Path) -> None:
    points = [shapely.Point(0, 80), shapely.Point(0, -89.99)]
    source = write_layer(tmp_path / "source.gpkg", points)
    with pytest.raises(RequestError, match="so far off in .* that sea.gdb cannot hold") as failure:
        run(source, tmp_path, [-180, -90, 180, 90], format="filegdb", crs="EPSG:3413")
    assert "Choose a CRS made for the area" in (failure.value.hint or "")


@pytest.mark.parametrize(("format_", "is_told"), [("shapefile", True), ("geopackage", False)])
def test_a_shift_that_a_prj_leaves_out_is_told(tmp_path: Path, format_: str, is_told: bool) -> None:
    points = [shapely.Point(500_000, 5_000_000)]
    source = write_layer(tmp_path / "source.gpkg", points, crs=SHIFTED.to_wkt("WKT1_GDAL"))
    notes = run(source, tmp_path, [8, 44, 10, 46], format=format_).layers[0].notes
    assert any("has no shift to WGS 84" in note for note in notes) is is_told


@pytest.mark.parametrize(
    "stated",
    [
        "EPSG:32633\n",
        "urn:ogc:def:crs:EPSG::32633",
        "http://www.opengis.net/def/crs/EPSG/0/32633",
        pyproj.CRS(32633).to_wkt("WKT2_2019", pretty=True),
        pyproj.CRS(32633).to_wkt("WKT2_2015"),
        pyproj.CRS(32633).to_json(),
        "\N{ZERO WIDTH NO-BREAK SPACE}" + pyproj.CRS(32633).to_wkt("WKT1_ESRI"),
    ],
    ids=["code", "urn", "address", "WKT2:2019", "WKT2:2015", "PROJJSON", "Esri's with a mark"],
)
def test_prj_states_a_crs_in_words_of_others(tmp_path: Path, stated: str) -> None:
    source = write_layer(
        tmp_path / "source.shp",
        [shapely.Point(500_000, 5_000_000)],
        kind="Point",
        driver="ESRI Shapefile",
        crs="EPSG:32633",
    )
    source.with_suffix(".prj").write_text(stated, encoding="utf-8")
    result = run(source, tmp_path, [14, 45, 16, 46], format="geopackage", crs="EPSG:4326")
    (found,), _ = read(unpack(result) / "sea.gpkg")
    # By PROJ's formulas, apart from the engine.
    place = pyproj.Proj("+proj=utm +zone=33 +ellps=WGS84")(500_000, 5_000_000, inverse=True)
    assert shapely.distance(found, shapely.Point(place)) < 1e-9


@pytest.mark.parametrize("stated", ["", "WGS 84", "4326", "none:none", "[", "{}"])
def test_prj_that_states_no_crs_is_refused(tmp_path: Path, stated: str) -> None:
    source = write_layer(
        tmp_path / "source.shp", [shapely.Point(5, 5)], kind="Point", driver="ESRI Shapefile"
    )
    source.with_suffix(".prj").write_text(stated)
    with pytest.raises(DatasetError, match="has no CRS"):
        run(source, tmp_path)


def test_shift_that_defines_a_datum_is_named(tmp_path: Path) -> None:
    source = write_layer(
        tmp_path / "source.gpkg", [shapely.Point(200_000, 400_000)], crs="EPSG:2932"
    )
    (report,) = run(source, tmp_path, [50.5, 24.5, 51.9, 26.2]).layers
    assert "QND95 to WGS 84 (1)" in report.area_transformation


def test_crs_that_stretches_the_data_without_end_is_refused(tmp_path: Path) -> None:
    """Around the other pole each edge was followed for ever."""
    source = write_layer(tmp_path / "sea.gpkg", [shapely.box(-180, 75, 180, 90)], kind="Polygon")
    with pytest.raises(RequestError, match="no coordinates in EPSG:3031"):
        run(source, tmp_path, [-180.0, -90.0, 180.0, 90.0], crs="EPSG:3031")


def test_features_with_many_corners_together_are_moved_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes = [shapely.box(x, 40, x + 1, 41) for x in range(10)]
    source = write_layer(tmp_path / "sea.gpkg", boxes, {"n": list(range(10))}, kind="Polygon")
    area = [0.0, 40.0, 10.0, 41.0]
    request: dict[str, Any] = {"crs": "EPSG:3035", "made_at": datetime(2026, 11, 23, tzinfo=UTC)}
    whole = run(source, tmp_path, area, **request).archive.read_bytes()
    # One of them needs some hundred.
    monkeypatch.setattr(reproject, "_MOST_ADDED", 400)
    assert run(source, tmp_path, area, **request).archive.read_bytes() == whole
    monkeypatch.setattr(reproject, "_MOST_ADDED", 10)
    with pytest.raises(RequestError, match="no coordinates in EPSG:3035"):
        run(source, tmp_path, area, **request)
