"""A GeoJSON of 2008 may name a server that describes its CRS: nobody asks it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from marinemap.errors import DatasetError
from marinemap.extraction import describe

POINT = {"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [1, 2]}}


class Server(HTTPServer):
    """A server within, that notes who asks."""

    asked: list[str]


class _Answer(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"+proj=utm +zone=33 +datum=WGS84")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def within() -> Iterator[Server]:
    """What stands on the network of whoever runs the site."""
    with Server(("127.0.0.1", 0), _Answer) as server:
        server.asked = []
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


FEATURES = f'"features": [{json.dumps(POINT)}]'


@pytest.mark.parametrize(
    "crs",
    [
        '"crs": {"type": "link", "properties": {"href": "ADDRESS", "type": "proj4"}}',
        '"crs": {"properties": {"url": "ADDRESS"}, "type": "URL"}',
        '"CRS" : {"Type": "Linked", "properties": {"HREF": "ADDRESS"}}',
        '"c\\u0072\\u0053": {"t\\u0079pe": "lin\\u006b", "properties": {"href": "ADDRESS"}}',
        '"crs": {"a": {"b": {"c": {}}}, "type": "link", "properties": {"href": "ADDRESS"}}',
        '"crs": {"type": "name", "type": "link", "properties": {"href": "ADDRESS"}}',
        '"crs": {"a": "' + 70_000 * "b" + '", "type": "link", "properties": {"href": "ADDRESS"}}',
    ],
)
@pytest.mark.parametrize("is_last", [False, True])
def test_crs_by_a_link_is_refused_with_what_to_do(
    tmp_path: Path, within: Server, crs: str, is_last: bool
) -> None:
    crs = crs.replace("ADDRESS", f"http://127.0.0.1:{within.server_port}/secret")
    members = ", ".join([FEATURES, crs] if is_last else [crs, FEATURES])
    path = tmp_path / "a.geojson"
    path.write_text(f'{{"type": "FeatureCollection", {members}}}')
    with pytest.raises(DatasetError, match="is a link to a description elsewhere") as refused:
        describe(path)
    assert refused.value.field == "crs"
    assert within.asked == []


def test_crs_by_its_name_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    name = '"crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::25832"}}'
    path.write_text(f'{{"type": "FeatureCollection", {name}, {FEATURES}}}')
    assert describe(path).crs == "EPSG:25832"
