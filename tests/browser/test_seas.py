"""The names of seas on the base map: where there is water."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import pyogrio
import shapely

from tests.running_site import PROJECT

_LAND = PROJECT / "marinemap" / "catalogue" / "samples" / "natural_earth.gpkg.xz"
_SEAS = PROJECT / "marinemap" / "web" / "src" / "seas.json"


def test_each_sea_is_named_once_and_where_it_is_wet(tmp_path: Path) -> None:
    seas = json.loads(_SEAS.read_text(encoding="utf-8"))
    names = [name for name, *_ in seas]
    assert len(set(names)) == len(names) > 80
    (tmp_path / "land.gpkg").write_bytes(lzma.decompress(_LAND.read_bytes()))
    _, _, land, _ = pyogrio.raw.read(tmp_path / "land.gpkg", layer="land", columns=[])
    places = shapely.points([[longitude, latitude] for _, longitude, latitude, _ in seas])
    dry = shapely.STRtree(shapely.from_wkb(land)).query(places, predicate="intersects")[0]
    assert [names[n] for n in dry] == []
