"""Layers of files on a server: added by the command, followed by the schedule, paged by the API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from marinemap.catalogue.freshness import is_any_changed, refresh_all
from marinemap.catalogue.models import Layer
from marinemap.extraction import Prefix, allow_prefixes
from marinemap.extraction.remote import ranges, states
from tests.extraction.layers import write_layer
from tests.extraction.parquet_files import squares, write_parquet
from tests.extraction.test_geoparquet_source import named
from tests.range_server import RangeServer, running_server

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["parquet", "fgb"])
def name(request: pytest.FixtureRequest) -> str:
    return f"reefs.{request.param}"


@pytest.fixture
def server(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[RangeServer]:
    monkeypatch.setattr(states, "_KNOWN_SECONDS", 0.0)
    monkeypatch.setattr(ranges, "_PAUSES_SECONDS", (0.0, 0.0, 0.0))
    with running_server(tmp_path) as server:
        write(server, name, 200)
        allow_prefixes([Prefix.parse(server.address.replace("//", "//maps:secret@") + "/")], 5)
        yield server
        allow_prefixes([])


def write(server: RangeServer, name: str, count: int) -> None:
    path, found = server.folder / name, squares(count)
    if path.suffix == ".parquet":
        write_parquet(path, found, named(count), boxes="double")
        return
    found[3] = found[2]
    write_layer(path, found, named(count), driver="FlatGeobuf")


def test_layer_on_a_server_is_added_followed_and_paged(
    server: RangeServer, name: str, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    address = f"{server.address}/{name}"
    call_command("addlayer", "reefs", address)
    layer = Layer.objects.get()
    assert (layer.source, layer.source_layer, layer.feature_count) == (address, "reefs", 200)
    assert not is_any_changed()
    url = "/api/collections/reefs/items?limit=3&bbox=0.02,0,0.021,0.001&f=json"
    found = client.get(url).json()
    (feature,) = found["features"][:1]
    assert feature["properties"]["number"] == 2

    write(server, name, 300)
    assert is_any_changed()
    assert not any(dict(refresh_all()).values())
    changed = Layer.objects.get()
    assert changed.feature_count == 300 and changed.version != layer.version

    server.fail("status", status=503)
    answer = client.get(url)
    assert answer.status_code == 503
    (told,) = dict(refresh_all()).values()
    assert "answers 503" in told and "secret" not in told and "127.0.0.1" not in told
    assert Layer.objects.get().trouble == told
    server.mend()
    assert not any(dict(refresh_all()).values()) and Layer.objects.get().trouble == ""

    server.fail("status", status=404)
    capsys.readouterr()
    with pytest.raises(CommandError, match="cannot be served"):
        call_command("checklayers")
    said = capsys.readouterr().out
    assert f"there is no file {name} on its server (404)" in said and "secret" not in said


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/reefs.parquet?sig=abc", "holds a password"),
        ("/reefs.gpkg", "neither GeoParquet nor FlatGeobuf"),
    ],
)
def test_address_that_cannot_be_served_is_refused(
    server: RangeServer, path: str, words: str
) -> None:
    with pytest.raises(CommandError, match=words) as refused:
        call_command("addlayer", "reefs", server.address + path)
    assert "sig=" not in str(refused.value)
