"""A layer that is added in the admin site: not served until a process of the schedule read it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from marinemap.catalogue import new_sources
from marinemap.catalogue.freshness import is_any_changed, refresh_all
from marinemap.catalogue.models import Layer, SourceToRead
from marinemap.catalogue.new_sources import (
    give,
    is_any_unfinished,
    is_any_waiting,
    read_unfinished,
    read_waiting,
)
from marinemap.catalogue.only_one import only_one
from marinemap.catalogue.registration import register
from marinemap.catalogue.undrawn import find_next
from marinemap.errors import DatasetError, RequestError
from marinemap.jobs import submission
from tests.catalogue.test_admin import form
from tests.jobs.conftest import AREA

pytestmark = pytest.mark.django_db


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """A file that is none yet."""
    path = tmp_path / "later.gpkg"
    path.write_bytes(b"to be copied here")
    return path


def add(client: Client, source: Path, **changes: str) -> None:
    filled = form(source, **{"id": "reefs", **changes})
    assert client.post("/admin/catalogue/layer/add/", filled).status_code == 302


def ask() -> Any:
    return submission.prepare("extract", {"layers": ["reefs"], "area": AREA})


def test_layer_is_served_from_when_it_was_read(admin_client: Client, marine_gpkg: Path) -> None:
    before = admin_client.get("/api/collections").json()
    add(admin_client, marine_gpkg)
    assert admin_client.get("/api/collections").json() == before
    gone = admin_client.get("/api/collections/reefs", HTTP_ACCEPT="application/json")
    assert gone.status_code == 404
    assert "were not read yet" in gone.json()["detail"]
    with pytest.raises(RequestError, match="layer 'reefs' were not read yet"):
        ask()
    assert b"waits to be read" in admin_client.get("/admin/catalogue/layer/").content
    assert list(read_waiting()) == ["reefs: read, 100 features"]
    assert not is_any_waiting()
    (found,) = admin_client.get("/api/collections").json()["collections"]
    assert (found["id"], found["featureCount"]) == ("reefs", 100)
    ask()


def test_nothing_is_read_in_the_web_server(
    admin_client: Client, marine_gpkg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object) -> None:
        raise AssertionError("the web server reads")

    monkeypatch.setattr(new_sources, "read", read)
    monkeypatch.setattr("marinemap.catalogue.reading.describe", read)
    add(admin_client, marine_gpkg)
    edited = form(marine_gpkg, source_layer="ports")
    admin_client.post("/admin/catalogue/layer/reefs/change/", edited)
    action = {"action": "read_again", "_selected_action": ["reefs"]}
    admin_client.post("/admin/catalogue/layer/", action)


def test_layer_that_was_not_read_troubles_nobody(
    admin_client: Client, later: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(admin_client, later)
    assert find_next() is None
    assert not is_any_changed() and not any(dict(refresh_all()).values())
    call_command("listlayers")
    listed = capsys.readouterr().out
    assert "not yet" in listed and "later.gpkg" in listed
    call_command("removelayer", "reefs")
    assert "later.gpkg" in capsys.readouterr().out
    assert not SourceToRead.objects.exists()


def test_checklayers_says_why_a_new_source_is_refused(
    admin_client: Client, later: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(admin_client, later)
    later.unlink()
    assert "there is no file" in list(read_waiting())[0]
    refused = SourceToRead.objects.get().refusal
    assert refused.startswith("no map data") and "later.gpkg" not in refused
    with pytest.raises(Exception, match="1 of 1 layers cannot be served"):
        call_command("checklayers")
    assert "there is no file later.gpkg" in capsys.readouterr().out


def test_source_that_is_given_anew_wins(
    reefs: Layer, marine_gpkg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(reefs, str(marine_gpkg), "ports")
    really_read = new_sources.read

    def change_mind_and_read(*arguments: Any) -> None:
        monkeypatch.undo()
        give(reefs, str(marine_gpkg), "coastline")
        really_read(*arguments)

    monkeypatch.setattr(new_sources, "read", change_mind_and_read)
    told = list(read_waiting())
    assert "another source was given" in told[0]
    assert Layer.objects.get().source_layer == "coastline"


def test_source_that_waits_is_not_begun_anew_by_another_word(
    reefs: Layer, marine_gpkg: Path
) -> None:
    give(reefs, str(marine_gpkg), "ports")
    first = SourceToRead.objects.get().asked_at
    give(reefs, str(marine_gpkg), "ports")
    assert SourceToRead.objects.get().asked_at == first


def test_addlayer_reads_at_once_in_place_of_what_waits(
    admin_client: Client, marine_gpkg: Path, later: Path
) -> None:
    add(admin_client, later)
    register("reefs", marine_gpkg, "reefs")
    assert Layer.objects.get().is_read and not is_any_waiting()


def test_source_that_ends_its_reader_is_given_up(
    reefs: Layer, marine_gpkg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(*_: object) -> None:
        raise SystemExit

    monkeypatch.setattr(new_sources, "read", end)
    give(reefs, str(marine_gpkg), "ports")
    for read in (read_waiting, read_unfinished, read_unfinished):
        with pytest.raises(SystemExit):
            list(read())
        assert not is_any_waiting() and is_any_unfinished()
    assert "without an answer" in list(read_unfinished())[0]
    assert not is_any_unfinished()
    assert "begun 3 times" in SourceToRead.objects.get().refusal
    assert Layer.objects.get().source_layer == "reefs"


def test_source_without_an_end_keeps_no_other_from_being_read(
    admin_client: Client, reefs: Layer, marine_gpkg: Path, home: Path
) -> None:
    give(reefs, str(marine_gpkg), "ports")
    SourceToRead.objects.update(attempts=1)
    add(admin_client, marine_gpkg, id="other")
    assert list(read_waiting()) == ["other: read, 100 features"]
    with only_one(home / ".reading"):
        # It may be the one that is being read just now, for the first time.
        assert list(read_unfinished()) == []
    with only_one(home / ".reading-again"):
        add(admin_client, marine_gpkg, id="another")
        assert list(read_waiting()) == ["another: read, 100 features"]
    assert list(read_unfinished()) == ["reefs: read, 100 features"]


def test_reading_without_an_end_is_ended_by_the_kernel() -> None:
    code = """
import django, sqlite3
django.setup()
from marinemap.catalogue.time_limit import limited
def read():
    yield "sound"
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    sqlite3.connect(":memory:").execute(numbers)
for told in limited(read(), 1):
    print(told, flush=True)
"""
    done = subprocess.run([sys.executable, "-c", code], stdout=-1, text=True, timeout=100)
    assert (done.stdout, done.returncode) == ("sound\n", -signal.SIGALRM)


def test_one_process_reads_at_a_time(reefs: Layer, marine_gpkg: Path, home: Path) -> None:
    give(reefs, str(marine_gpkg), "ports")
    hold = "import sys; from pathlib import Path; from marinemap.catalogue.only_one import only_one"
    hold += f"\nwith only_one(Path({str(home / '.reading')!r})) as held: print(held, flush=True); "
    hold += "sys.stdin.read()"
    command = [sys.executable, "-c", hold]
    with subprocess.Popen(command, stdin=-1, stdout=-1, cwd=os.getcwd(), text=True) as other:
        assert other.stdout is not None and other.stdin is not None
        assert other.stdout.readline() == "True\n"
        assert list(read_waiting()) == []
        other.stdin.close()
    assert len(list(read_waiting())) == 1
    with only_one(home / ".reading") as is_first:
        assert is_first


def test_refused_source_of_a_new_layer_can_be_mended(
    admin_client: Client, marine_gpkg: Path, later: Path
) -> None:
    add(admin_client, later)
    assert "refused" in list(read_waiting())[0]
    assert list(read_waiting()) == []
    admin_client.post("/admin/catalogue/layer/reefs/change/", form(marine_gpkg))
    assert list(read_waiting()) == ["reefs: read, 100 features"]
    assert Layer.objects.get().is_read


def test_home_of_nobody_is_refused_in_words(db: None) -> None:
    with pytest.raises(DatasetError, match="nobody's home is ~no-such-user"):
        register("reefs", Path("~no-such-user/reefs.gpkg"))
