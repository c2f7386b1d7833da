"""What the catalogue knows of a layer is not read again while somebody waits."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pyproj
import pytest
import shapely

from marinemap.errors import RequestError
from marinemap.extraction import (
    ExtractionRequest,
    SourceLayer,
    check_selection,
    describe,
    estimate,
    fingerprint,
)
from marinemap.extraction.reading import described_source
from tests.extraction.layers import write_layer

BOX = (-1.0, -1.0, 30.5, 30.5)


@pytest.fixture(params=["GPKG", "CSV", "FlatGeobuf", "GML"])
def known(request: pytest.FixtureRequest, tmp_path: Path) -> SourceLayer:
    """A layer with what is known of it."""
    suffix = {"GPKG": ".gpkg", "CSV": ".csv", "FlatGeobuf": ".fgb", "GML": ".gml"}[request.param]
    options = {"GEOMETRY": "AS_WKT", "CREATE_CSVT": "YES"} if suffix == ".csv" else {}
    points = [shapely.Point(n, n) for n in range(60)]
    path = write_layer(
        tmp_path / f"sea{suffix}", points, kind="Point", driver=request.param, layer_options=options
    )
    path.with_suffix(".prj").write_text(pyproj.CRS("EPSG:4326").to_wkt("WKT1_ESRI"))
    state = fingerprint(path)
    dataset = describe(path)
    return SourceLayer("sea", path, dataset.layer, fingerprint=state, known=dataset)


def asked(layer: SourceLayer) -> ExtractionRequest:
    return ExtractionRequest([layer], BOX, Path("unused.zip"))


def test_known_layer_is_estimated_as_one_that_is_read(known: SourceLayer) -> None:
    assert estimate(asked(known)) == estimate(asked(replace(known, known=None, fingerprint="")))


def test_known_layer_is_not_counted_again_while_somebody_waits(
    known: SourceLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def counted(*_: object) -> None:
        raise AssertionError("the whole file was read")

    monkeypatch.setattr(described_source, "describe", counted)
    (found,) = estimate(asked(known))
    assert found.features == 31
    with pytest.raises(RequestError, match="depth"):
        check_selection(replace(known, fields=["depth"]))


def test_layer_in_another_state_is_read(known: SourceLayer) -> None:
    os.utime(known.path, ns=(1, 1))
    wrong = replace(known, known=replace(known.known, feature_count=0, bounds=None))
    (found,) = estimate(asked(wrong))
    assert found.features == 31
