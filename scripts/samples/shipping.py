"""Read `ports` and `shipping_lanes` from the data files of searoute."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyproj import Geod
from shapely import LineString, Point

from samples.antimeridian import Position, lines_from_positions
from samples.geopackage import Feature

_WGS84 = Geod(ellps="WGS84")

# The package's short words, spelled as charts do.
_PASSAGES = {
    "babalmandab": "Bab-el-Mandeb",
    "bering": "Bering Strait",
    "bosporus": "Bosporus",
    "chili": "Strait of Magellan and Cape Horn",
    "dardanelles": "Dardanelles",
    "gibraltar": "Strait of Gibraltar",
    "malacca": "Strait of Malacca",
    "northwest": "Northwest Passage",
    "ormuz": "Strait of Hormuz",
    "panama": "Panama Canal",
    "south_africa": "Cape of Good Hope",
    "suez": "Suez Canal",
    "sunda": "Sunda Strait",
}

PORTS_SCHEMA = {
    "geometry": "Point",
    "properties": {
        "port_code": "str:5",
        "port_name": "str",
        "country_name": "str",
        "is_terminal": "bool",
        "linked_country_count": "int32",
        "linked_countries": "str",
    },
}
LANES_SCHEMA = {
    "geometry": "LineString",
    "properties": {"lane_id": "int32", "passage_name": "str", "length_km": "float"},
}


def ports(folder: Path) -> Iterator[Feature]:
    """Yield the ports in the package's order."""
    for source in _features(folder / "searoute/data/ports.geojson"):
        given = source["properties"]
        lon, lat = source["geometry"]["coordinates"]
        links = given.get("to_cty")
        yield (
            Point(round(lon, 6), round(lat, 6)),
            {
                # One port has its country's two letters only: that is no UN/LOCODE.
                "port_code": given["port"] if len(given["port"]) == 5 else None,
                "port_name": given["name"],
                "country_name": given["cty"],
                "is_terminal": None if given["t"] is None else bool(given["t"]),
                "linked_country_count": len(links) if links else None,
                "linked_countries": " ".join(links) if links else None,
            },
        )


def shipping_lanes(folder: Path) -> Iterator[Feature]:
    """Yield the stretches of the network; a stretch over 180 degrees becomes two features."""
    lanes = [
        (_rounded(line), source["properties"].get("passage"))
        for source in _features(folder / "searoute/data/marnet_searoute.geojson")
        for positions in _lines(source["geometry"])
        for line in lines_from_positions(positions)
    ]
    for number, (line, passage) in enumerate(lanes, start=1):
        yield (
            line,
            {
                "lane_id": number,
                "passage_name": _PASSAGES[passage] if passage else None,
                "length_km": round(_WGS84.geometry_length(line) / 1000, 3),
            },
        )


def _features(path: Path) -> list[dict[str, Any]]:
    features: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["features"]
    return features


def _lines(geometry: dict[str, Any]) -> list[list[Position]]:
    coordinates = geometry["coordinates"]
    lines = coordinates if geometry["type"] == "MultiLineString" else [coordinates]
    return [[(lon, lat) for lon, lat, *_ in line] for line in lines]


def _rounded(line: LineString) -> LineString:
    return LineString([(round(x, 6), round(y, 6)) for x, y in line.coords])
