"""GML: a feature whose geometry cannot be read is left out and named, as of other formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from marinemap.errors import DatasetError
from marinemap.extraction import (
    ExtractionRequest,
    ExtractionResult,
    SourceLayer,
    check_servable,
    describe,
    extract,
)
from tests.extraction.layers import AREA

SOUND = ["3 3 4 4", "5 5 6 6", "7 7 8 8"]
NAMES = {"numbers": "sea.1{}0", "words": "a{}b", "none": None}


def gml(path: Path, lines: list[str], name: str | None = "sea.{}") -> Path:
    """Write lines of a layer ``sea``, after a feature of another layer."""
    members = ['<ogr:lake gml:id="lake.0"><ogr:n>0</ogr:n></ogr:lake>']
    for number, positions in enumerate(lines):
        named = f' gml:id="{name.format(number)}"' if name else ""
        line = f'<gml:LineString srsName="EPSG:4326"><gml:posList>{positions}</gml:posList>'
        geometry = f"<ogr:geom>{line}</gml:LineString></ogr:geom>"
        members.append(f"<ogr:sea{named}>{geometry}<ogr:n>{number}</ogr:n></ogr:sea>")
    content = "\n".join(f"<ogr:featureMember>{each}</ogr:featureMember>" for each in members)
    spaces = 'xmlns:ogr="http://ogr.maptools.org/" xmlns:gml="http://www.opengis.net/gml/3.2"'
    path.write_text(f"<ogr:FeatureCollection {spaces}>\n{content}\n</ogr:FeatureCollection>\n")
    return path


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("place", [0, 1, 3])
def test_feature_that_gdal_passes_over_is_named(
    tmp_path: Path, name: str | None, place: int
) -> None:
    lines = [*SOUND[:place], "1 2 3", *SOUND[place:]]
    source = gml(tmp_path / "sea.gml", lines, name)
    id_ = 100 + 10 * place if name == NAMES["numbers"] else place
    why = f"{id_} (its geometry in line {place + 3} is broken)"
    assert check_servable(describe(source, "sea")).ids_and_reasons == why
    (report,) = extract_sea(source).layers
    assert (report.features_written, report.unreadable) == (3, 1)
    assert report.notes[0].endswith(f"for the geometry cannot be read: {why}.")


def test_layer_without_fields_has_them_named_too(tmp_path: Path) -> None:
    source = gml(tmp_path / "sea.gml", [*SOUND, "1 2 3"])
    (report,) = extract_sea(source, fields=()).layers
    assert (report.features_written, report.unreadable) == (3, 1)


def test_words_for_coordinates_are_refused_by_their_line(tmp_path: Path) -> None:
    # GDAL reads 0 there.
    source = gml(tmp_path / "sea.gml", [*SOUND, "1 2 three 4"])
    refused = "line 6 of sea.gml has coordinates that are no numbers: '1 2 three 4'"
    with pytest.raises(DatasetError, match=refused):
        check_servable(describe(source, "sea"))


@pytest.mark.parametrize("positions", ["1,2 3,4", "-1.5e-3 +2 \n 3 4.", "NaN NaN 1 2"])
def test_numbers_of_all_kinds_are_coordinates(tmp_path: Path, positions: str) -> None:
    source = gml(tmp_path / "sea.gml", [*SOUND, positions])
    assert check_servable(describe(source, "sea")).count == 0


def test_layer_of_which_most_is_passed_over_is_damaged(tmp_path: Path) -> None:
    source = gml(tmp_path / "sea.gml", ["1 2 3", "4 5 6", *SOUND[:1]])
    with pytest.raises(DatasetError, match="2 of the 3 geometries .* cannot be read: feature 0"):
        check_servable(describe(source, "sea"))


def extract_sea(source: Path, **of_layer: Any) -> ExtractionResult:
    layer = SourceLayer("sea", source, layer="sea", **of_layer)
    return extract(ExtractionRequest([layer], AREA, source.with_suffix(".zip")))


SCHEMA = """<xs:schema targetNamespace="http://ogr.maptools.org/" xmlns:ogr="http://ogr.maptools.org/"
 xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:gml="http://www.opengis.net/gml/3.2">
<xs:import namespace="http://www.opengis.net/gml/3.2"/>
<xs:element name="sea" type="ogr:sea_Type" substitutionGroup="gml:AbstractFeature"/>
<xs:complexType name="sea_Type"><xs:complexContent><xs:extension base="gml:AbstractFeatureType">
<xs:sequence><xs:element name="geom" type="gml:PointPropertyType"/>{element}</xs:sequence>
</xs:extension></xs:complexContent></xs:complexType></xs:schema>"""
ELEMENT = '<xs:element name="v" type="xs:{}" nillable="true" minOccurs="0"/>'


def typed(path: Path, type_: str, *values: str) -> Path:
    """Write points of a layer ``sea`` with a field ``v``, of which a schema says what it is."""
    if type_:
        schema = SCHEMA.format(element=ELEMENT.format(type_))
        path.with_suffix(".xsd").write_text(schema)
    members = "\n".join(
        f'<ogr:featureMember><ogr:sea gml:id="sea.{n}"><ogr:geom><gml:Point srsName="EPSG:4326">'
        f"<gml:pos>1 2</gml:pos></gml:Point></ogr:geom>{value}</ogr:sea></ogr:featureMember>"
        for n, value in enumerate(values)
    )
    spaces = 'xmlns:ogr="http://ogr.maptools.org/" xmlns:gml="http://www.opengis.net/gml/3.2"'
    told = f'{spaces} xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    # With a schema GDAL looks for a CRS here, and nowhere else.
    box = '<gml:Envelope srsName="EPSG:4326"><gml:lowerCorner>1 2</gml:lowerCorner>'
    box = (
        f"<gml:boundedBy>{box}<gml:upperCorner>1 2</gml:upperCorner></gml:Envelope></gml:boundedBy>"
    )
    head = f"<ogr:FeatureCollection {told}>{box}"
    path.write_text(f"{head}\n{members}\n</ogr:FeatureCollection>\n")
    return path


@pytest.mark.parametrize(
    ("type_", "first", "value"),
    [
        ("int", "1", "1.5"),
        ("int", "1", "99999999999"),
        ("integer", "1", "99999999999"),
        ("long", "1", "99999999999999999999"),
        ("", "1", "18446744073709551615"),
        ("double", "1", "1,5"),
        ("double", "1", "x"),
        ("boolean", "true", "yes"),
        ("date", "2020-01-01", "2020-02-30"),
        ("", "2020-01-01", "2020-02-30"),
        ("date", "2020-01-01", "2020"),
        ("dateTime", "2020-01-01T00:00:00Z", "2020-01-01T25:00:00Z"),
        ("", "2020-01-01T00:00:00", "2020-01-01T24:00:00"),
    ],
)
def test_value_of_a_gml_that_is_none_of_its_type_is_refused(
    tmp_path: Path, type_: str, first: str, value: str
) -> None:
    values = [f"<ogr:v>{first}</ogr:v>", f"<ogr:v>{value}</ogr:v>"]
    source = typed(tmp_path / "sea.gml", type_, *values)
    with pytest.raises(DatasetError, match=f"line 3 of sea.gml has '{value}' in 'v', which is no"):
        check_servable(describe(source))


@pytest.mark.parametrize(
    ("type_", "values"),
    [
        ("int", ["-5", "+5", " 7 ", "", "5.0", "2147483647"]),
        ("long", ["9223372036854775807", "-9223372036854775808"]),
        ("double", ["INF", "-INF", "NaN", "1e-5", ".5", "-3."]),
        ("boolean", ["true", "0", "TRUE"]),
        ("date", ["2020-02-29", "2020-01-01Z", "2020-01-01+02:00"]),
        ("dateTime", ["2020-01-01T23:59:60Z", "2020-01-01T10:20:30.123456+02:00"]),
        ("string", ["1,5", "99999999999999999999", "2020-01-01T24:00:00"]),
    ],
)
def test_value_of_a_gml_of_its_type_is_read(tmp_path: Path, type_: str, values: list[str]) -> None:
    nil = '<ogr:v xsi:nil="true"/><ogr:w><ogr:v>x</ogr:v></ogr:w>'
    elements = [nil, *(f"<ogr:v>{value}</ogr:v>" for value in values)]
    source = typed(tmp_path / "sea.gml", type_, *elements)
    check_servable(describe(source))


ENVELOPE = (
    '<gml:boundedBy><gml:Envelope srsName="{}"><gml:lowerCorner>0 0</gml:lowerCorner>'
    "<gml:upperCorner>9 9</gml:upperCorner></gml:Envelope></gml:boundedBy>"
)


def bounded(path: Path, of_all: str, name: str, of_feature: str = "") -> Path:
    """Write what a WFS sends, with an envelope of all and one of a feature.

    Lines are in EPSG:4326, but the last one in a CRS of another name.
    """
    text = gml(path, SOUND).read_text().replace('gml/3.2">', f'gml/3.2">{of_all}')
    text = text.replace("ogr:FeatureCollection", "wfs:FeatureCollection")
    text = text.replace("xmlns:gml", 'xmlns:wfs="http://www.opengis.net/wfs/2.0" xmlns:gml')
    # With a layer of no geometry GDAL finds no CRS.
    text = "".join(line for line in text.splitlines(keepends=True) if "lake" not in line)
    before, _, last = text.rpartition("EPSG:4326")
    inner = ENVELOPE.format(of_feature) if of_feature else ""
    path.write_text(
        (before + name + last).replace(
            "<ogr:n>0</ogr:n></ogr:sea>", f"{inner}<ogr:n>0</ogr:n></ogr:sea>"
        )
    )
    return path


@pytest.mark.parametrize(
    ("of_all", "name"),
    [("urn:ogc:def:crs:EPSG::25832", "EPSG:25832"), ("EPSG:4326", "urn:ogc:def:crs:EPSG::3035")],
    ids=["all differ", "one differs"],
)
def test_geometry_in_another_crs_than_that_of_all_is_refused(
    tmp_path: Path, of_all: str, name: str
) -> None:
    source = bounded(tmp_path / "sea.gml", ENVELOPE.format(of_all), name)
    odd = ("2", "EPSG:4326") if "25832" in of_all else ("4", name)
    refused = f"line {odd[0]} of sea.gml has a geometry in '{odd[1]}', where '{of_all}' is stated"
    with pytest.raises(DatasetError, match=refused):
        extract_sea(source)


@pytest.mark.parametrize("name", ["EPSG:4326", "http://www.opengis.net/gml/srs/epsg.xml#4326"])
@pytest.mark.parametrize(
    "of_all",
    ["", *map(ENVELOPE.format, ("EPSG:4326", "urn:ogc:def:crs:OGC:1.3:CRS84"))],
)
def test_same_crs_under_another_name_is_read(tmp_path: Path, of_all: str, name: str) -> None:
    source = bounded(tmp_path / "sea.gml", of_all, name, of_feature="EPSG:25832")
    assert extract_sea(source).features_written == 3
