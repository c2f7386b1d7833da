"""CSV as people have it: columns of positions or of texts, in one of many ways to write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import shapely

from marinemap.errors import DatasetError
from marinemap.extraction import (
    ExtractionRequest,
    SourceLayer,
    check_servable,
    describe,
    estimate,
    fingerprint,
)
from marinemap.extraction.pages.page import Wanted, read_page
from marinemap.extraction.reading.layer_names import find_layers
from tests.extraction.layers import read, run, unpack

POINTS = [shapely.Point(1.5, 2.25), shapely.Point(3, 4)]


def csv_of(folder: Path, text: str, prj: str = "", encoding: str = "utf-8") -> Path:
    path = folder / "sea.csv"
    path.write_bytes(text.encode(encoding))
    if prj:
        path.with_suffix(".prj").write_text(prj)
    return path


def extracted(source: Path, **request: Any) -> tuple[Any, dict[str, list[Any]]]:
    request = {"format": "geopackage", **request}
    return read(unpack(run(source, source.parent, **request)) / "sea.gpkg")


@pytest.mark.parametrize(
    "text",
    [
        "lon,lat,name\n1.5,2.25,a\n3,4,b\n",
        "Longitude,LATITUDE,name\r\n1.5,2.25,a\r\n3,4,b\r\n",
        '\N{ZERO WIDTH NO-BREAK SPACE}"lon","lat","name"\n"1.5","2.25","a"\n"3","4","b"\n',
        "name;lon;lat\na;1,5;2,25\nb;3;4\n",
        "name\tlng\tlat\na\t1.5\t2.25\nb\t3\t4\n",
        "name|long| lat \na|01.5| 2.25\nb|+3|4 \n",
        "name,Decimal Longitude,decimal_latitude\na,1.5,2.25\nb,3,4e0\n",
        "name,Longitude [degrees_east],Latitude [degrees_north]\na,1.5,2.25\nb,3,4\n",
        'name,"the, name; of it",lon,lat\na,x,1.5,2.25\nb,y,3,4\n',
    ],
)
def test_columns_of_degrees_are_positions(tmp_path: Path, text: str) -> None:
    source = csv_of(tmp_path, text)
    dataset = describe(source)
    assert (dataset.crs, dataset.bounds) == ("EPSG:4326", (1.5, 2.25, 3.0, 4.0))
    assert (dataset.geometry_type, dataset.feature_count) == ("Point", 2)
    assert "taken for longitudes and latitudes in WGS 84 (EPSG:4326)" in dataset.assumed
    assert not check_servable(dataset).count
    (found,) = find_layers(source)
    assert (found.name, found.geometry_type, found.refusal) == ("sea", "Point", "")
    geometries, columns = extracted(source)
    assert geometries.tolist() == POINTS
    assert columns["name"] == ["a", "b"]
    assert [1.5, 3.0] in columns.values()
    assert [2.25, 4.0] in columns.values()


@pytest.mark.parametrize("names", ["x,y", "X_COORD,Y_COORD", "POINT_X,POINT_Y", "Easting,Northing"])
def test_other_columns_of_positions_need_a_crs(tmp_path: Path, names: str) -> None:
    source = csv_of(tmp_path, f"{names},n\n4321000,3210000,1\n")
    with pytest.raises(DatasetError, match="has no CRS") as refused:
        describe(source)
    assert "a CSV: a .prj beside it with a line such as EPSG:4326" in str(refused.value.hint)
    dataset = describe(csv_of(tmp_path, f"{names},n\n4321000,3210000,1\n", "EPSG:3035\n"))
    assert (dataset.crs, dataset.assumed) == ("EPSG:3035", "")
    geometries, _ = extracted(source, area=[9.9, 51.9, 10.1, 52.1])
    assert geometries.tolist() == [shapely.Point(4321000, 3210000)]


def test_what_is_no_position_lies_nowhere(tmp_path: Path) -> None:
    odd = ["-", "NA", "", "nan", "54°30'N", "1d1", "12abc", "-999", "91"]
    rows = "".join(f"1,{text},{number}\n" for number, text in enumerate(odd))
    plain = "2,3,98\n2,003.50,99\n2,−0.5,97\n"
    source = csv_of(tmp_path, f"lon,lat,n\n{rows}{plain}")
    (report,) = run(source, tmp_path, [-10, -90, 10, 90]).layers
    assert (report.features_written, report.without_position) == (3, len(odd))
    assert describe(source).bounds == (2.0, -0.5, 2.0, 3.5)
    geometries, columns = extracted(source, area=[-10, -90, 10, 90])
    assert [(point.y, n) for point, n in zip(geometries, columns["n"], strict=True)] == [
        (3.0, "98"),
        (3.5, "99"),
        (-0.5, "97"),
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("lon,lat\n12°30'E,54°30'N\n", "hold no degrees in any row: the first has '12°30'E'"),
        ("lon,lat\n4321000,3210000\n", "hold no degrees in any row: the first has '4321000'"),
    ],
)
def test_columns_without_any_position_are_refused(tmp_path: Path, text: str, shown: str) -> None:
    with pytest.raises(DatasetError, match=shown):
        describe(csv_of(tmp_path, text))


@pytest.mark.parametrize(
    ("header", "cell"),
    [
        ("geom", '"LINESTRING (1 1, 20 1)"'),
        (
            "the_geom",
            "0102000000020000000000000000000840000000000000F03F"
            + "00000000000034400000000000"
            + "00F03F",
        ),
        ("geometry", '"{""type"": ""LineString"", ""coordinates"": [[1, 1], [20, 1]]}"'),
    ],
)
def test_column_of_geometries_by_its_name(tmp_path: Path, header: str, cell: str) -> None:
    source = csv_of(tmp_path, f"n,{header},lon,lat\n7,{cell},50,60\n", "EPSG:4326")
    assert [field.name for field in describe(source).fields] == ["n", "lon", "lat"]
    geometries, columns = extracted(source)
    assert shapely.get_coordinates(geometries)[:, 0].max() == 10
    assert columns["n"] == ["7"]
    (foreseen,) = estimate(ExtractionRequest([SourceLayer("sea", source)], [0, 0, 10, 10]))
    assert foreseen.features == 1


def test_column_of_words_is_no_geometry(tmp_path: Path) -> None:
    source = csv_of(tmp_path, "shape,geometry,lon,lat\nround,see the map,1,2\n")
    geometries, columns = extracted(source)
    assert geometries.tolist() == [shapely.Point(1, 2)]
    assert (columns["shape"], columns["geometry"]) == (["round"], ["see the map"])


def test_stated_columns_go_before_named_ones(tmp_path: Path) -> None:
    source = csv_of(tmp_path, "lon,lat,a,b\n50,60,1,-\n50,60,1,2\n", "EPSG:4326")
    source.with_suffix(".csvt").write_text('"Real","Real","CoordX","CoordY"\n')
    (report,) = run(source, tmp_path).layers
    # GDAL takes a dash for 0.
    assert (report.features_written, report.without_position) == (1, 1)


def test_table_without_positions_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="has no geometry: it is a table") as refused:
        describe(csv_of(tmp_path, "breite,laenge\n1,2\n"))
    assert "Name its columns of positions lon and lat" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("text", "encoding", "line"),
    [
        (
            "lon,lat,name\n1,2,a\n3,4,Größe\n",
            "latin-1",
            "line 3 of sea.csv is not in UTF-8: '3,4,Größe'",
        ),
        ("lon,lat,größe\n1,2,a\n", "cp1252", "line 1 of sea.csv is not in UTF-8: 'lon,lat,größe'"),
        ("lon,lat\n1,2\n", "utf-16", "line 1 of sea.csv is not in UTF-8"),
    ],
)
def test_other_encodings_are_refused_by_their_line(
    tmp_path: Path, text: str, encoding: str, line: str
) -> None:
    with pytest.raises(DatasetError, match=line) as refused:
        check_servable(describe(csv_of(tmp_path, text, encoding=encoding)))
    name = "UTF-16" if encoding == "utf-16" else "WINDOWS-1252"
    assert f"iconv -f {name} -t UTF-8" in str(refused.value.hint)


def test_all_ways_to_positions_give_the_same(tmp_path: Path) -> None:
    rows = "".join(f"{number / 100},{number % 7},{number}\n" for number in range(3_000))
    source = csv_of(tmp_path, f"lon,lat,n\n{rows},,-1\n")
    dataset, area = describe(source), [5.0, 0.0, 6.0, 10.0]
    inside = [str(number) for number in range(500, 601)]
    _, columns = extracted(source, area=area)
    assert columns["n"] == inside
    (foreseen,) = estimate(ExtractionRequest([SourceLayer("sea", source)], area))
    assert (foreseen.features, foreseen.is_exact) == (101, True)
    assert any("are taken for longitudes" in told for told in foreseen.warnings)
    (large,) = estimate(ExtractionRequest([SourceLayer("sea", source)], [-1, -1, 40, 40]))
    assert large.features == 3_000
    page = read_page(dataset, fingerprint(source), Wanted(limit=200, box=(5.0, 0.0, 6.0, 10.0)))
    assert [n for part in page.parts for n in part.attributes["n"].to_pylist()] == inside
    whole = read_page(dataset, fingerprint(source), Wanted(limit=10))
    assert whole.parts[0].geometries[0] == shapely.Point(0, 0)
    (report,) = run(source, tmp_path, area, fields=["n"], filter="n = '501'").layers
    assert report.features_written == 1
    assert any("are taken for longitudes" in note for note in report.notes)


@pytest.mark.parametrize(
    ("row", "line"), [('2,3,"a" b\n4,5,c\n', 3), ('2,3,"a\nb\n', 4)], ids=["closed", "open"]
)
def test_quotes_that_do_not_fit_are_refused_with_their_line(
    tmp_path: Path, row: str, line: int
) -> None:
    source = csv_of(tmp_path, "lon,lat,name\n1,2,a\n" + row)
    with pytest.raises(DatasetError, match=f"sea.csv is no CSV in line {line}: "):
        check_servable(describe(source))
