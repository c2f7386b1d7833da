"""Files as strangers bring them: read as they are meant, or refused with what to do."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Callable
from datetime import date, time
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
import shapely

from marinemap.errors import DatasetError
from marinemap.extraction import FORMATS, check_servable, describe, known_suffixes
from tests.extraction.layers import read, run, unpack, write_layer

POINTS = [shapely.Point(1, 1), shapely.Point(2, 2)]
WORLD = [-180.0, -90.0, 180.0, 90.0]
KML = (
    '<kml xmlns="http://www.opengis.net/kml/2.2"><Document><Placemark><name>a</name><Point>'
    "<coordinates>1,2</coordinates></Point></Placemark></Document></kml>"
)
GPX = '<gpx version="1.1" creator="us" xmlns="http://www.topografix.com/GPX/1/1">{points}</gpx>'
Build = Callable[[Path], Path]


def text(name: str, content: str, **beside: str) -> Build:
    """Return what writes a text file, and files of its name beside it."""

    def build(folder: Path) -> Path:
        path = folder / name
        path.write_text(content, encoding="utf-8")
        for suffix, told in beside.items():
            path.with_suffix(f".{suffix}").write_text(told, encoding="utf-8")
        return path

    return build


def packed(name: str, written: str, driver: str) -> Build:
    """Return what packs a layer, its files or its folder, into a zip."""

    def build(folder: Path) -> Path:
        source = write_layer(folder / written, POINTS, driver=driver, kind="Point")
        with zipfile.ZipFile(folder / name, "w") as archive:
            for part in sorted(folder.rglob("*")):
                if part.is_file() and part.name != name:
                    archive.write(part, part.relative_to(folder))
        assert source.exists()
        return folder / name

    return build


def kmz(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "sea.kmz", "w") as archive:
        archive.writestr("doc.kml", KML)
    return folder / "sea.kmz"


def folder_of_shapefiles(folder: Path) -> Path:
    inside = folder / "data"
    inside.mkdir()
    write_layer(inside / "reefs.shp", POINTS, driver="ESRI Shapefile", kind="Point")
    return inside


def points(*each: str) -> Build:
    return text("sea.gpx", GPX.format(points="\n".join(f"<wpt {one}/>" for one in each)))


def mif(type_: str, *values: str) -> Build:
    """Return what writes a .mif and its .mid of points with a column."""
    head = f'Version 450\nDelimiter ","\nCoordSys Earth Projection 1, 104\nColumns 1\n  v {type_}\n'
    return text("sea.mif", f"{head}Data\n\n" + "Point 1 2\n" * len(values), mid="\n".join(values))


def placemark(*values: str, more: str = "", shape: str = "") -> str:
    """Return a placemark of KML with values of the fields i, r and b, as texts."""
    fields = "".join(
        f'<SimpleData name="{name}">{value}</SimpleData>'
        for name, value in zip("irb", values, strict=False)
    )
    shape = shape or "<Point><coordinates>1,2</coordinates></Point>"
    data = f'<ExtendedData><SchemaData schemaUrl="#s">{fields}</SchemaData></ExtendedData>'
    return f"<Placemark>{more}{data}{shape}</Placemark>\n"


def kml(*content: str) -> Build:
    """Return what writes a KML whose fields have types."""
    types = zip("irb", ("int", "double", "bool"), strict=True)
    fields = "".join(f'<SimpleField type="{type_}" name="{name}"/>' for name, type_ in types)
    schema = f'<Schema name="s" id="s">{fields}</Schema>'
    head = '<kml xmlns="http://www.opengis.net/kml/2.2"><Document>'
    return text("sea.kml", head + schema + "".join(content) + "</Document></kml>")


def geojson(crs: object, *position: float) -> Build:
    """Return what writes a GeoJSON of 2008 with one point."""
    content = {
        "type": "FeatureCollection",
        "crs": crs,
        "features": [
            {
                "type": "Feature",
                "properties": {"crs": "EPSG:1"},
                "geometry": {"type": "Point", "coordinates": position},
            }
        ],
    }
    return text("sea.geojson", json.dumps(content))


def of_fields(name: str, *each: dict[str, Any]) -> Build:
    """Return what writes GeoJSON, or lines of it, of a point with each fields."""
    point = {"type": "Point", "coordinates": [1, 2]}
    features = [{"type": "Feature", "properties": one, "geometry": point} for one in each]
    if name.endswith("l"):
        return text(name, "".join(json.dumps(feature) + "\n" for feature in features))
    return text(name, json.dumps({"type": "FeatureCollection", "features": features}))


def named(crs: str) -> object:
    return {"type": "name", "properties": {"name": crs}}


EWKB = "0101000020E6100000000000000000F03F0000000000000040"
# What GDAL makes null, the largest number that there is, or another day.
WRONG_VALUES = [
    ("Integer", "12345678901"),
    ("Integer", "1.0"),
    ("Integer", "1 "),
    ("Integer(Int16)", "70000"),
    ("Integer64", "9223372036854775808"),
    ("Integer(Boolean)", "maybe"),
    ("Real", "1.5abc"),
    ("Real", "1e400"),
    ("Date", "02.01.2020"),
    ("Date", "2020-02-30"),
    ("DateTime", "2020-01-02T25:00:00"),
    ("Time", "25:00:00"),
    ("Time", "23:59:59.9996"),
]
RIGHT_VALUES = [
    ("Integer", "-2147483648"),
    ("Integer(5)", "+007"),
    ("Integer(Int16)", "-32768"),
    ("Integer64", "9223372036854775807"),
    *(("Integer(Boolean)", value) for value in ("T", "false", "0", "Yes")),
    *(("Real", value) for value in ("1.5", "1,5", "-.5", "1e300", "nan", "-inf")),
    ("Real(5.2)", "123456.789"),
    ("Date", "2020/01/02"),
    *(("DateTime", f"2020-01-02{rest}") for rest in ("", " 03:04", "T03:04:05.678+05:30")),
    ("Time", "12:30"),
    ("Time", "23:59:59.9994"),
    ("String(3)", "abcdef"),
]

MIF_WRONG_VALUES = [
    ("Integer", "99999999999"),
    ("Smallint", "1.5"),
    ("LargeInt", "9223372036854775808"),
    ("LargeInt", "x"),
    ("Float", "1e400"),
    ("Decimal(10, 3)", "1.5x"),
    ("Logical", "maybe"),
    ("Date", "20201301"),
    ("Date", "2020-01-01"),
    ("DateTime", "20200101250000000"),
    ("Time", "1200"),
]
MIF_RIGHT_VALUES = [
    ("Integer", "-5.0", -5),
    ("LargeInt", " 9223372036854775807", 2**63 - 1),
    ("Float", ".5", 0.5),
    ("Decimal(10,3)", "12345678901.5", 12345678901.5),
    ("Logical", "T", True),
    ("Date", "20200229", date(2020, 2, 29)),
    ("Time", "123456789", time(12, 34, 56, 789000)),
    ("Char(4)", "1,5x", "1,5x"),
]


REFUSED: dict[str, tuple[Build, str, str]] = {
    "zipped shapefile": (
        packed("sea.zip", "sea.shp", "ESRI Shapefile"),
        "of packed files only file geodatabases",
        "Unpack it",
    ),
    "zipped GeoPackage": (packed("sea.zip", "sea.gpkg", "GPKG"), "sea.gpkg", "Unpack it"),
    "KMZ": (kmz, "doc.kml", "Unpack it"),
    "zip that is none": (text("sea.zip", "PK no more"), "is no sound zip", ""),
    "folder": (folder_of_shapefiles, "data is a folder", "Name a file in it: reefs.shp"),
    "GPX: word for a latitude": (
        points('lat="1" lon="2"', 'lat="north" lon="2"'),
        'line 2 of sea.gpx has a position that is none: lat="north" lon="2"',
        "as plain numbers",
    ),
    "GPX: comma before decimals": (points('lat="1,5" lon="2"'), 'lat="1,5"', "plain numbers"),
    "GPX: no longitude": (points('lat="1"'), 'lat="1" lon=""', "plain numbers"),
    "GeoJSON: CRS that there is not": (
        geojson(named("urn:ogc:def:crs:EPSG::999999"), 1, 2),
        "states the CRS 'urn:ogc:def:crs:EPSG::999999', which there is not",
        "Name one that there is",
    ),
    "GeoJSON: CRS without a name": (geojson({"type": "name"}, 1, 2), "the CRS ''", "Name one"),
    "GeoJSON: metres without a CRS": (
        geojson(None, 500_000, 6_000_000),
        "is said to be in degrees (WGS 84), but reaches from 500,000, 6,000,000",
        "State the CRS",
    ),
    "CSV: Excel's first line": (
        text("sea.csv", "\ufeffsep=;\r\nlon;lat\r\n1;2\r\n"),
        "the first line of sea.csv is 'sep=;', which only Excel knows",
        "Take that line out",
    ),
    "CSV: EWKT": (
        text("sea.csv", 'geom,n\n"SRID=3035;POINT(4e6 3e6)",1\n', prj="EPSG:4326"),
        "line 2 of sea.csv has a geometry with a CRS of its own, SRID 3035",
        "EPSG:3035 into a .prj",
    ),
    "CSV: EWKT further down": (
        text("sea.csv", 'WKT,n\nPOINT(1 2),1\n"srid=4326;POINT(1 2)",1\n', prj="EPSG:4326"),
        "line 3 of sea.csv has a geometry with a CRS of its own, SRID 4326",
        "Write plain well-known text",
    ),
    "CSV: EWKB in another CRS": (
        text("sea.csv", f"geom\n{EWKB}\n", prj="EPSG:3035"),
        "SRID 4326",
        "by the line EPSG:4326",
    ),
    "CSV: two columns of one longitude": (
        text("sea.csv", "lon,lat,lon\n1,2,3\n"),
        "2 fields named 'lon'",
        "a name of its own",
    ),
    **{
        f"CSV: {value} is no {kind}": (
            text("sea.csv", f"n;lon;lat\n;1;2\n{value};1;2\n", csvt=f"{kind},String,String"),
            f"line 3 of sea.csv has '{value}' in column 'n', which is no {kind.lower()}",
            "write String",
        )
        for kind, value in WRONG_VALUES
    },
    **{
        f"GeoJSON: whole number {value} in {name}": (
            of_fields(name, {"n": 1}, {"n": value}),
            f"{name} has the whole number {value}, which would be read as another",
            "in quotation marks",
        )
        for name, value in [
            ("sea.geojson", -(10**18)),
            ("sea.geojson", 2**64 - 1),
            ("sea.geojsonl", 2**63),
            ("sea.geojsonl", -(2**63) - 1),
        ]
    },
    "GeoJSON: whole number within a list": (
        of_fields("sea.geojson", {"n": [1, {"m": -(2**63)}], "o": '"n": "'}),
        f"the whole number {-(2**63)}",
        "in quotation marks",
    ),
    "GeoJSON: NUL in a text": (
        of_fields("sea.geojson", {"t": "abc\0def"}),
        "line 1 of sea.geojson has the sign NUL (\\u0000) in a text",
        "Take it out",
    ),
    "GeoJSON: NUL in a text of a line": (
        of_fields("sea.geojsonl", {"t": "\\"}, {"t": "\\\0"}),
        "line 2 of sea.geojsonl has the sign NUL",
        "Take it out",
    ),
    **{
        f"MIF: {value} is no {type_}": (
            mif(type_, "", f'"{value}"', '""'),
            f"line 2 of sea.mid has '{value}' in 'v', which is no {type_.split('(')[0].lower()}",
            "of the type Char",
        )
        for type_, value in MIF_WRONG_VALUES
    },
    **{
        f"KML: {value} is no {type_}": (
            kml(placemark("5", "", ""), placemark(*before, value)),
            f"line 2 of sea.kml has '{value}' in '{'irb'[len(before)]}', which is no {type_}",
            "of the type string",
        )
        for type_, before, value in [
            ("int", (), "1.9"),
            ("int", (), "99999999999"),
            ("int", (), "x"),
            ("double", ("1",), "1,5"),
            ("double", ("1",), "1e400"),
            ("bool", ("1", "1"), "T"),
        ]
    },
    **{
        f"KML: {value} is no moment": (
            kml(placemark(more=f"<TimeStamp><when>{value}</when></TimeStamp>")),
            f"has '{value}' in 'when', which is no dateTime",
            "take it out",
        )
        for value in ("2020-13", "2021-02-29", "2020-01-01T25:00:00Z", "soon")
    },
    "GPX: not a number": (points('lat="NaN" lon="1"'), 'lat="NaN"', "plain numbers"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_be_read_otherwise_is_refused(tmp_path: Path, name: str) -> None:
    build, words, hint = REFUSED[name]
    source = build(tmp_path)
    with pytest.raises(DatasetError) as failure:
        check_servable(describe(source, "waypoints" if source.suffix == ".gpx" else None))
    assert words in str(failure.value)
    assert hint in (failure.value.hint or "")
    assert str(tmp_path) not in failure.value.in_full


def test_zipped_geodatabase_is_read(tmp_path: Path) -> None:
    source = packed("sea.gdb.zip", "sea.gdb", "OpenFileGDB")(tmp_path)
    check_servable(describe(source))
    assert run(source, tmp_path, WORLD, format="csv").features_written == 2


@pytest.mark.parametrize(
    ("crs", "expected"),
    [
        (named("urn:ogc:def:crs:EPSG::3035"), "EPSG:3035"),
        (named("EPSG:3035"), "EPSG:3035"),
        ({"type": "EPSG", "properties": {"code": 3035}}, "EPSG:3035"),
        ({"TYPE": "name", "Properties": {"NAME": "epsg:3035"}}, "EPSG:3035"),
        (named("urn:ogc:def:crs:OGC:1.3:CRS84"), "EPSG:4326"),
        (named("urn:ogc:def:crs:EPSG::4326"), "EPSG:4326"),
    ],
)
def test_crs_that_a_geojson_names_is_its_crs(tmp_path: Path, crs: object, expected: str) -> None:
    position = (4_000_000, 3_000_000) if "3035" in expected else (1, 2)
    assert describe(geojson(crs, *position)(tmp_path)).crs == expected


# What fiona's GDAL says of a moment with a zone, while all is read back.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("kind", "value"), RIGHT_VALUES)
def test_value_of_its_stated_type_is_read(tmp_path: Path, kind: str, value: str) -> None:
    write = text("sea.csv", f"n;lon;lat\n{value};1;2\n;1;2\n", csvt=f"{kind},String,String")
    source = write(tmp_path)
    check_servable(describe(source))
    _, columns = read(unpack(run(source, tmp_path, WORLD, format="geopackage")) / "sea.gpkg")
    first, second = columns["n"]
    # NaN is null in a GeoPackage.
    assert value == "nan" or (first != second and first is not None)


def test_geometries_with_the_stated_srid_are_read(tmp_path: Path) -> None:
    source = text("sea.csv", f"geom,n\n{EWKB},1\n", prj="EPSG:4326")(tmp_path)
    check_servable(describe(source))
    geometries, _ = read(unpack(run(source, tmp_path, WORLD, format="geopackage")) / "sea.gpkg")
    assert geometries.tolist() == [shapely.Point(1, 2)]


def memos(folder: Path, text: bytes) -> Path:
    """Write a shapefile whose table has a memo, byte for byte (dBASE III)."""
    source = write_layer(folder / "sea.shp", POINTS, driver="ESRI Shapefile", kind="Point")
    head = struct.pack("<BBBBIHH20x", 0x83, 126, 1, 1, 2, 65, 11)
    column = b"REMARKS".ljust(11, b"\0") + b"M" + bytes(4) + bytes([10, 0]) + bytes(14)
    rows = b"".join(b" " + each.rjust(10) for each in (b"", text))
    source.with_suffix(".dbf").write_bytes(head + column + b"\r" + rows + b"\x1a")
    return source


def test_memo_whose_text_is_elsewhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="keeps the texts of field 'REMARKS' in another file"):
        check_servable(describe(memos(tmp_path, b"1")))


def test_empty_memos_are_no_reason_to_refuse(tmp_path: Path) -> None:
    check_servable(describe(memos(tmp_path, b"")))


@pytest.mark.parametrize("stated", ["1200", "cp99999", "UTF-16"])
def test_code_page_that_there_is_not_is_refused(tmp_path: Path, stated: str) -> None:
    source = write_layer(tmp_path / "sea.shp", POINTS, driver="ESRI Shapefile", kind="Point")
    source.with_suffix(".cpg").write_text(stated)
    with pytest.raises(DatasetError, match=f"no encoding that is known: '{stated}'"):
        describe(source)


@pytest.mark.parametrize("name", FORMATS)
def test_field_of_several_kinds_is_json_in_each_format(tmp_path: Path, name: str) -> None:
    values = ["plain", 1, {"k": [1]}, None]
    features = [
        {
            "type": "Feature",
            "properties": {"a": value},
            "geometry": {"type": "Point", "coordinates": [1, 2]},
        }
        for value in values
    ]
    content = json.dumps({"type": "FeatureCollection", "features": features})
    source = text("sea.geojson", content)(tmp_path)
    check_servable(describe(source))
    result = run(source, tmp_path, WORLD, format=name)
    assert result.features_written == len(values)
    if name == "geopackage":
        _, columns = read(unpack(result) / "sea.gpkg")
        assert [each and json.loads(each) for each in columns["a"]] == values


@pytest.mark.parametrize(
    ("name", "number"), [("sea.geojson", -(10**18) + 1), ("sea.geojsonl", -(2**63))]
)
def test_whole_numbers_that_gdal_keeps_are_read(tmp_path: Path, name: str, number: int) -> None:
    # Neither a number nor NUL: a text.
    like_one = f'{{"n": {10**30}}}, "n": {10**30} }}\\u0000'
    values = [
        {"n": number, "o": like_one, "r": 0.1 + 10**-30},
        {"n": 2**63 - 1, "o": "", "r": 1e30},
    ]
    source = of_fields(name, *values)(tmp_path)
    check_servable(describe(source))
    result = run(source, tmp_path, WORLD, format="geopackage")
    _, columns = read(unpack(result) / "sea.gpkg")
    assert [
        dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
    ] == values


def test_layer_with_a_name_longer_than_a_files_has_no_style(tmp_path: Path) -> None:
    long = "x" * 300
    source = write_layer(tmp_path / "sea.gpkg", POINTS, layer=long)
    assert run(source, tmp_path, WORLD, layer=long, format="csv").features_written == 2


def test_each_suffix_that_is_known_is_in_the_reference() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/sources.md").read_text()
    assert [suffix for suffix in sorted(known_suffixes()) if f"`{suffix}`" not in page] == []


def test_empty_values_of_a_kml_are_null(tmp_path: Path) -> None:
    source = kml(
        placemark("<![CDATA[ 7]]>", " 1e1 ", "1"),
        "<!-- <Placemark> -->",
        placemark("", " ", ""),
        placemark("-5.0", "INF", "no"),
    )(tmp_path)
    check_servable(describe(source))
    result = run(source, tmp_path, WORLD, format="geoparquet")
    table = pyarrow.parquet.read_table(unpack(result) / "sea.parquet")
    assert table["i"].to_pylist() == [7, None, -5]
    assert table["r"].to_pylist() == [10.0, None, float("inf")]
    assert table["b"].to_pylist() == [True, None, False]


@pytest.mark.parametrize(
    ("layer", "expected"), [("sea", [7, None]), ("A", [None, 5]), ("A (#2)", [3, None])]
)
def test_empty_values_are_null_in_their_own_folder(
    tmp_path: Path, layer: str, expected: list[int | None]
) -> None:
    def folder(*content: str) -> str:
        return f"<Folder><name>A</name>{''.join(content)}</Folder>"

    inner = folder(placemark("3"), placemark(""))
    build = kml(placemark("7"), folder(placemark(""), inner, placemark("5")), placemark(""))
    result = run(build(tmp_path), tmp_path, WORLD, format="geoparquet", layer=layer)
    (written,) = unpack(result).glob("*.parquet")
    assert pyarrow.parquet.read_table(written)["i"].to_pylist() == expected


def test_ring_of_a_kml_is_a_closed_line_and_a_year_its_first_moment(tmp_path: Path) -> None:
    ring = "<coordinates>0,0 1,0 1,1 0,0</coordinates>"
    span = "<TimeSpan><begin>2020</begin><end>2021-02</end></TimeSpan>"
    source = kml(
        placemark(more=span, shape=f"<LinearRing>{ring}</LinearRing>"),
        placemark(
            shape="<Polygon><outerBoundaryIs>"
            f"<LinearRing>{ring}</LinearRing></outerBoundaryIs></Polygon>"
        ),
    )(tmp_path)
    check_servable(describe(source))
    geometries, columns = read(
        unpack(run(source, tmp_path, WORLD, format="geopackage")) / "sea.gpkg"
    )
    assert [each.geom_type for each in geometries] == ["LineString", "Polygon"]
    assert geometries[0].coords[:] == [(0, 0), (1, 0), (1, 1), (0, 0)]
    assert [each and each.isoformat() for each in columns["begin"]] == ["2020-01-01T00:00:00", None]
    assert [each and each.isoformat() for each in columns["end"]] == ["2021-02-01T00:00:00", None]


@pytest.mark.parametrize(("type_", "value", "expected"), MIF_RIGHT_VALUES)
def test_value_of_a_mid_of_its_type_is_read(
    tmp_path: Path, type_: str, value: str, expected: object
) -> None:
    source = mif(type_, f'"{value}"')(tmp_path)
    check_servable(describe(source))
    result = run(source, tmp_path, WORLD, format="geoparquet")
    (found,) = pyarrow.parquet.read_table(unpack(result) / "sea.parquet")["v"].to_pylist()
    assert found == expected


TRACK = "<trk><trkseg>{points}</trkseg><extensions/></trk>"
POINT_OF_A_TRACK = '<trkpt lat="1" lon="2"><extensions>{within}</extensions></trkpt>'
HEART = "<x:Extension>{gap}<x:hr>100</x:hr>{gap}<x:cad>7</x:cad>{gap}</x:Extension>"


def track(folder: Path, *extensions: str) -> Path:
    """Write a track of points with extensions."""
    inside = "".join(POINT_OF_A_TRACK.format(within=each) for each in extensions)
    content = GPX.format(points=TRACK.format(points=inside)).replace(
        " version", ' xmlns:x="u" version'
    )
    return text("sea.gpx", content)(folder)


def values_of(source: Path, column: str) -> tuple[list[Any], list[str]]:
    """Return a column of the points of tracks, as an extract has it, and the extract's notes."""
    result = run(source, source.parent, WORLD, layer="track_points", format="geoparquet")
    table = pyarrow.parquet.read_table(unpack(result) / "sea.parquet")
    return table.column(column).to_pylist(), list(result.layers[0].notes)


def test_extensions_of_points_are_read_or_told_to_be_missing(tmp_path: Path) -> None:
    source = track(tmp_path, "<power>100</power>" + HEART.format(gap="\n "), "<power>7.5</power>")
    assert values_of(source, "power") == ([100, 7.5], [])
    ((pulse, none), _) = values_of(source, "x_Extension")
    assert "<x:hr>100</x:hr>" in pulse
    assert none is None
    source.write_text(source.read_text(encoding="utf-8").replace("<extensions/>", ""), "utf-8")
    values, notes = values_of(source, "track_seg_point_id")
    assert values == [0, 1]
    (note,) = notes
    assert "are not read ('power', 'x_Extension')" in note
    assert describe(source, "track_points").assumed == note


def test_elements_that_gdal_takes_for_a_number_are_null_and_told(tmp_path: Path) -> None:
    source = track(tmp_path, "<power>100</power>" + HEART.format(gap=""))
    values, notes = values_of(source, "x_Extension")
    assert values == [None]
    (note,) = notes
    assert "Of 'x_Extension' nothing is read" in note
    assert values_of(source, "power") == ([100], notes)


@pytest.mark.parametrize(
    ("element", "value"),
    [("sat", "1.5"), ("ele", "1,5"), ("ele", "x"), ("dgpsid", "99999999999")],
)
def test_number_of_a_gpx_that_is_none_is_refused_with_its_line(
    tmp_path: Path, element: str, value: str
) -> None:
    one = f'<wpt lat="1" lon="2"><{element}>{{}}</{element}></wpt>'
    content = GPX.format(points="\n".join(map(one.format, ["", "7", value])))
    source = text("sea.gpx", content)(tmp_path)
    with pytest.raises(DatasetError, match=f"line 3 of sea.gpx has '{value}' in '{element}'"):
        run(source, tmp_path, WORLD, layer="waypoints")


def test_number_of_an_extension_that_gdal_cuts_is_refused(tmp_path: Path) -> None:
    source = track(tmp_path, "<code>7</code>", "<code>99999999999</code>")
    with pytest.raises(DatasetError, match="has '99999999999' in 'code', which is no int"):
        run(source, tmp_path, WORLD, layer="track_points")


@pytest.mark.parametrize(
    "link", ["", "<NetworkLink>\n<Link><href>more.kml</href></Link></NetworkLink>"]
)
def test_links_of_a_kml_to_other_files_are_told(tmp_path: Path, link: str) -> None:
    source = kml(placemark("1"), link)(tmp_path)
    told = describe(source).assumed
    assert ("links to other files (NetworkLink), which are not followed" in told) is bool(link)
    assert (told in run(source, tmp_path, WORLD).layers[0].notes) is bool(link)


@pytest.mark.parametrize(("values", "is_told"), [(["007", "12"], True), (["007", "x"], False)])
def test_extension_of_which_a_number_keeps_no_zeros_is_told(
    tmp_path: Path, values: list[str], is_told: bool
) -> None:
    found, notes = values_of(track(tmp_path, *(f"<code>{each}</code>" for each in values)), "code")
    told = "'007' of 'code' comes without the zeros before it" in " ".join(notes)
    assert (found, told) == (([7, 12], True) if is_told else (values, False))
