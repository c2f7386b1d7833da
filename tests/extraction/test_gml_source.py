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
