"""Uploaded area files: five kinds are read, all else is refused by name."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely

from marinemap.errors import RequestError
from marinemap.extraction import read_area_file
from marinemap.extraction.uploads import upload_child
from marinemap.extraction.uploads.checks import MAX_UPLOAD_BYTES
from marinemap.extraction.uploads.zips import unzip_shapefile
from tests.extraction.layers import write_layer

SQUARE = shapely.box(3, 43, 4, 44)
TRACK = "".join(f'<trkpt lon="{x}" lat="{y}"/>' for x, y in SQUARE.exterior.coords)
GPX = (
    '<?xml version="1.0"?><gpx version="1.1" creator="test" '
    f'xmlns="http://www.topografix.com/GPX/1/1"><trk><trkseg>{TRACK}</trkseg></trk></gpx>'
)
VRT = "<OGRVRTDataSource><OGRVRTLayer name='x'/></OGRVRTDataSource>"
UTM = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32632"}}
LINK = {"type": "link", "properties": {"href": "http://127.0.0.1:9/"}}


def zipped(folder: Path, names: dict[str, bytes]) -> Path:
    path = folder / "upload.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in names.items():
            archive.writestr(name, data)
    return path


def shapefile_parts(folder: Path, crs: str = "EPSG:4326") -> dict[str, bytes]:
    path = write_layer(folder / "a.shp", [SQUARE], kind="Polygon", crs=crs, driver="ESRI Shapefile")
    return {part.name: part.read_bytes() for part in path.parent.glob("a.*")}


def test_zipped_shapefile_is_an_area(tmp_path: Path) -> None:
    assert read_area_file(zipped(tmp_path, shapefile_parts(tmp_path))).geometry.equals(SQUARE)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zip_with_another_byte_is_damaged_or_the_same(tmp_path: Path, method: int) -> None:
    path, folder, parts = tmp_path / "upload.zip", tmp_path / "out", shapefile_parts(tmp_path)
    folder.mkdir()
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        first = archive.getinfo("a.dbf")
    # Behind the header of the member and its name.
    begin = first.header_offset + 30 + len(first.filename)
    for at in range(begin, begin + first.compress_size):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            unzip_shapefile(path, folder, "file")
        except RequestError as error:
            assert "damaged or encrypted" in error.message
        else:
            assert (folder / "area.dbf").read_bytes() == parts["a.dbf"]


def test_shapefile_in_a_folder_is_taken_as_macos_packs_it(tmp_path: Path) -> None:
    parts = shapefile_parts(tmp_path)
    packed = {"my bay/": b""} | {f"my bay/{name}": data for name, data in parts.items()}
    packed |= {"my bay/.DS_Store": b"x"} | {f"__MACOSX/my bay/._{name}": b"x" for name in parts}
    packed |= {f"__MACOSX/more/{number}": b"x" for number in range(20)}
    assert read_area_file(zipped(tmp_path, packed)).geometry.equals(SQUARE)


@pytest.mark.parametrize("cpg", [b"UTF-8", None])
def test_names_of_fields_in_any_encoding_are_passed_over(tmp_path: Path, cpg: bytes | None) -> None:
    parts = shapefile_parts(tmp_path)
    parts["a.dbf"] = parts["a.dbf"].replace(b"number", "größe\xf2".encode("latin-1"))
    parts |= {"a.cpg": cpg} if cpg else {}
    if not cpg:
        parts.pop("a.cpg", None)
    assert read_area_file(zipped(tmp_path, parts)).geometry.equals(SQUARE)


def test_crs_of_letters_that_are_none_is_named(tmp_path: Path) -> None:
    # GDAL quotes what it does not know, and pyogrio cannot hand that on.
    parts = shapefile_parts(tmp_path)
    odd = parts["a.prj"].replace(b"Greenwich", b"Gr\xe5enwich").replace(b"UNIT[", b"UNITY")
    parts["a.prj"] = odd
    with pytest.raises(RequestError, match=r"\.prj\) is damaged"):
        read_area_file(zipped(tmp_path, parts))


@pytest.mark.parametrize(
    ("name", "driver"), [("a.gpkg", "GPKG"), ("a.kml", "KML"), ("a.geojson", "GeoJSON")]
)
def test_file_of_each_kind_is_an_area(tmp_path: Path, name: str, driver: str) -> None:
    path = write_layer(tmp_path / name, [SQUARE], kind="Polygon", driver=driver)
    # The name says nothing of what is in it.
    assert read_area_file(path.rename(tmp_path / "upload")).geometry.equals(SQUARE)


KML = (
    '<kml xmlns="http://www.opengis.net/kml/2.2"><Placemark><Polygon><outerBoundaryIs><LinearRing>'
    "<coordinates>3,43 4,43 4,44 3,44 3,43</coordinates>"
    "</LinearRing></outerBoundaryIs></Polygon></Placemark></kml>"
)


def test_kmz_with_pictures_is_an_area(tmp_path: Path) -> None:
    names = {"doc.kml": KML.encode(), "files/icon.png": b"picture"}
    assert read_area_file(zipped(tmp_path, names)).geometry.equals(SQUARE)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<gpx></gpx>", "no KML"),
        (b"<!DOCTYPE x [<!ENTITY a 'b'>]><kml/>", "DOCTYPE"),
        (b"<kml>" + b" " * 30_000_000, "times its size"),
    ],
)
def test_odd_kmz_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        read_area_file(zipped(tmp_path, {"doc.kml": content}))


@pytest.mark.parametrize(
    "text",
    [
        SQUARE.wkt,
        f"\ufeff {SQUARE.wkt.lower()}\n",
        "POLYGON Z ((3 43 1, 4 43 1, 4 44 1, 3 44 1, 3 43 1))",
        f"SRID=4326;{SQUARE.wkt}",
        f"GEOMETRYCOLLECTION ({SQUARE.wkt}, POINT (9 9))",
    ],
)
def test_wkt_is_an_area(tmp_path: Path, text: str) -> None:
    (tmp_path / "upload").write_text(text)
    assert read_area_file(tmp_path / "upload").geometry.equals(SQUARE)


@pytest.mark.parametrize(
    "name",
    [
        None,
        "urn:ogc:def:crs:OGC:1.3:CRS84",
        "urn:ogc:def:crs:OGC::CRS84",
        "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
        "urn:ogc:def:crs:EPSG::4326",
        "EPSG:4326",
    ],
)
def test_geojson_that_says_degrees_is_taken(tmp_path: Path, name: str | None) -> None:
    crs = name and {"type": "name", "properties": {"name": name}}
    polygon = json.loads(shapely.to_geojson(SQUARE)) | {"crs": crs}
    (tmp_path / "upload").write_text(json.dumps(polygon))
    assert read_area_file(tmp_path / "upload").geometry.equals(SQUARE)


def test_wkt_of_another_crs_lies_where_that_says(tmp_path: Path) -> None:
    (tmp_path / "upload").write_text("SRID=3857;POLYGON ((0 0, 1 0, 1 111325.142866, 0 0))")
    assert read_area_file(tmp_path / "upload").geometry.bounds[3] == pytest.approx(1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("POLYGON ((3 43, 4 43", "not WKT: Expected"),
        ("POLYGON ((3 43, 4 43, 4 44, 3 44))", "not WKT: a ring does not end where it begins"),
        ("GEOMETRYCOLLECTION (" * 50_000, "nested more than"),
        ("POLYGON ((3 43, 4 nan, 4 44, 3 43))", "not WKT|finite"),
        ("POLYGON EMPTY", "no area|empty"),
        ("SRID=999999;" + SQUARE.wkt, "CRS is not known"),
        ("POLYGON ((3 43, 4 43, 4 44, 3 43)) 珊瑚", "not WKT"),
        ("LINESTRING (0 0, 1 1)", "is not a zipped shapefile"),
    ],
)
def test_odd_wkt_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "upload").write_text(text)
    with pytest.raises(RequestError, match=message):
        read_area_file(tmp_path / "upload")


def test_closed_gpx_track_is_an_area(tmp_path: Path) -> None:
    (tmp_path / "upload").write_text(GPX)
    assert read_area_file(tmp_path / "upload").geometry.equals(SQUARE)


def test_closed_track_that_crosses_itself_is_an_area_beside_another(tmp_path: Path) -> None:
    """It was left out without a word; that of a boat often crosses its own wake."""
    eight = "".join(
        f'<trkpt lon="{x}" lat="{y}"/>' for x, y in [(5, 43), (7, 45), (7, 43), (5, 45), (5, 43)]
    )
    (tmp_path / "upload").write_text(GPX.replace("<trk>", f"<trk><trkseg>{eight}</trkseg>"))
    area = read_area_file(tmp_path / "upload")
    assert area.geometry.area == pytest.approx(1 + 2)
    (note,) = area.notes
    assert "it was repaired" in note


def test_tracks_that_enclose_nothing_are_told(tmp_path: Path) -> None:
    there = '<trkseg><trkpt lon="5" lat="43"/><trkpt lon="7" lat="45"/>'
    back = f'{there}<trkpt lon="5" lat="43"/></trkseg>'
    segments = f"<trk>{there}</trkseg>{back}"
    (tmp_path / "upload").write_text(GPX.replace("<trk>", segments))
    area = read_area_file(tmp_path / "upload")
    assert area.geometry.equals(SQUARE)
    (note,) = area.notes
    assert "2 lines in the file enclose nothing" in note


def test_polygons_in_collections_of_collections_are_areas(tmp_path: Path) -> None:
    """Those of a GEOMETRYCOLLECTION in another's MULTIPOLYGON were left out without a word."""
    inner = shapely.GeometryCollection([shapely.MultiPolygon([shapely.box(6, 43, 7, 44)])])
    whole = shapely.GeometryCollection([SQUARE, inner])
    (tmp_path / "upload").write_text(whole.wkt)
    assert shapely.equals(
        read_area_file(tmp_path / "upload").geometry,
        shapely.union_all([SQUARE, shapely.box(6, 43, 7, 44)]),
    )


def test_track_of_many_points_is_an_area(tmp_path: Path) -> None:
    corners = shapely.Point(3, 43).buffer(1, quad_segs=3_000).exterior.coords
    points = "".join(f'<trkpt lon="{x!r}" lat="{y!r}"/>' for x, y in corners)
    (tmp_path / "upload").write_text(GPX.replace(TRACK, points))
    assert len(read_area_file(tmp_path / "upload").geometry.exterior.coords) == 12_001


def test_tables_points_and_rows_without_geometry_are_passed_over(tmp_path: Path) -> None:
    path = write_layer(tmp_path / "a.gpkg", [None, SQUARE], kind="Polygon")
    fields = {"field_data": [np.array([1])], "fields": ["n"], "append": True}
    pyogrio.raw.write(path, None, layer="table", geometry_type=None, **fields)
    wkb = shapely.to_wkb(np.array([shapely.Point(9, 9)]))
    pyogrio.raw.write(path, wkb, layer="buoys", geometry_type="Point", crs="EPSG:3857", **fields)
    assert read_area_file(path).geometry.equals(SQUARE)


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857"])
def test_outline_that_crosses_itself_is_repaired_with_a_note(tmp_path: Path, crs: str) -> None:
    bow_tie = shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    path = write_layer(tmp_path / "a.gpkg", [bow_tie], kind="Polygon", crs=crs)
    (note,) = read_area_file(path).notes
    assert "it was repaired" in note


def test_overlapping_features_are_joined_without_a_note(tmp_path: Path) -> None:
    shifted = shapely.box(3.5, 43, 5, 44)
    area = read_area_file(write_layer(tmp_path / "a.gpkg", [SQUARE, shifted], kind="Polygon"))
    assert area.notes == ()
    assert shapely.equals(area.geometry, shapely.box(3, 43, 5, 44))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (VRT, "is not a zipped shapefile"),
        ("<OGRWFSDataSource/>", "is not a zipped shapefile"),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]><kml/>", "DOCTYPE"),
        ("<kml>", "cannot be read"),
        ("[" * 100_000, "nested more than"),
        ('{"type": "Polygon"', "not JSON"),
        (json.dumps({"type": "Polygon", "crs": LINK, "coordinates": []}), "'crs' member"),
        (json.dumps({"type": "Polygon", "crs": UTM, "coordinates": []}), "'crs' member"),
        (json.dumps({"type": "Point", "coordinates": [1, 2]}), "Point"),
        ('{"type": "Polygon", "coordinates": [[[1, 2], [NaN, 3], [4, 5]]]}', "finite"),
        ("SQLite format 3\0 but no more", "cannot be read"),
        ("PK\x03\x04 but no more", "damaged"),
        ("a,b\n1,2\n", "is not a zipped shapefile"),
    ],
)
def test_other_file_is_refused_by_name(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "upload").write_text(content)
    with pytest.raises(RequestError, match=message):
        read_area_file(tmp_path / "upload")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"../a.shp": b""}, "lead out of it"),
        ({"x/../../a.shp": b""}, "lead out of it"),
        ({"/x/a.shp": b""}, "lead out of it"),
        ({"x/a.shp": b"", "y/a.shx": b""}, "exactly one shapefile"),
        ({"a.txt": b""}, "exactly one shapefile"),
        ({"a.shp": b"", "b.shp": b""}, "exactly one shapefile"),
        ({f"{n}.txt": b"" for n in range(30)}, "at most 20"),
        ({"a.shp": b"\0" * 30_000_000}, "times its size"),
    ],
    ids=["climbs", "climbs further", "absolute", "two folders", "none", "two", "many", "bomb"],
)
def test_odd_zip_is_refused(tmp_path: Path, names: dict[str, bytes], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        read_area_file(zipped(tmp_path, names))


def test_shapefile_without_prj_is_refused(tmp_path: Path) -> None:
    parts = shapefile_parts(tmp_path)
    del parts["a.prj"]
    with pytest.raises(RequestError, match="CRS"):
        read_area_file(zipped(tmp_path, parts))


def test_file_beyond_the_limit_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "upload").open("wb") as file:
        file.truncate(MAX_UPLOAD_BYTES + 1)
    with pytest.raises(RequestError, match="at most"):
        read_area_file(tmp_path / "upload")


def test_path_of_the_copy_is_not_told(tmp_path: Path) -> None:
    path = tmp_path / "area.gpkg"
    path.write_text("no GeoPackage")
    command = [sys.executable, upload_child.__file__, str(path)]
    told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["error"]
    assert "area.gpkg" in told
    assert str(tmp_path) not in told
