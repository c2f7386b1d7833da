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


def write(path: Path, server: Server, crs: str, *, is_last: bool = False) -> Path:
    address = f"http://127.0.0.1:{server.server_port}/secret"
    link = {"type": "link", "properties": {"href": address, "type": "proj4"}}
    features = f'"features": [{json.dumps(POINT)}]'
    member = f"{crs}: {json.dumps(link)}"
    members = [features, member] if is_last else [member, features]
    path.write_text(f'{{"type": "FeatureCollection", {", ".join(members)}}}')
    return path


@pytest.mark.parametrize("is_last", [False, True])
def test_crs_by_a_link_is_refused_with_what_to_do(
    tmp_path: Path, within: Server, is_last: bool
) -> None:
    with pytest.raises(DatasetError, match="is a link to a description elsewhere") as refused:
        describe(write(tmp_path / "a.geojson", within, '"crs"', is_last=is_last))
    assert refused.value.field == "crs"
    assert within.asked == []


def test_link_in_other_letters_leads_nowhere(tmp_path: Path, within: Server) -> None:
    describe(write(tmp_path / "a.geojson", within, '"c\\u0072s"'))
    assert within.asked == []
