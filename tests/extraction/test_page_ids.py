"""Pages of layers whose fields have the names that GDAL gives to ids."""

from __future__ import annotations

from pathlib import Path

import pyproj
import pytest
import shapely

from marinemap.extraction import Wanted, describe, read_page
from tests.extraction.layers import write_layer


@pytest.mark.parametrize(("suffix", "driver"), [("shp", "ESRI Shapefile"), ("csv", "CSV")])
def test_a_field_may_have_the_name_of_ids(tmp_path: Path, suffix: str, driver: str) -> None:
    points = [shapely.Point(1, 1), shapely.Point(2, 2)]
    columns = {"OGC_FIX": ["a", "b"], "OGC_FID_": ["c", "d"]}
    as_text = {"GEOMETRY": "AS_WKT"} if driver == "CSV" else None
    source = tmp_path / f"sea.{suffix}"
    write_layer(source, points, columns, kind="Point", driver=driver, layer_options=as_text)
    # Written under that name it would become the id itself.
    table = source.with_suffix(".dbf") if suffix == "shp" else source
    table.write_bytes(table.read_bytes().replace(b"OGC_FIX", b"OGC_FID"))
    source.with_suffix(".prj").write_text(pyproj.CRS("EPSG:4326").to_wkt("WKT1_GDAL"))
    (part,) = read_page(describe(source), "", Wanted(limit=5)).parts
    assert part.attributes.column("OGC_FID").to_pylist() == ["a", "b"]
    assert part.attributes.column("OGC_FID_").to_pylist() == ["c", "d"]
    assert len(set(part.ids.tolist())) == 2
