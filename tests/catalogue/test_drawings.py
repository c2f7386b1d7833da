"""Which layers are drawn, what is told of it, and how a map gets the drawing."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from pmtiles.reader import Reader

from marinemap.catalogue import begun, drawings, undrawn
from marinemap.catalogue.models import BegunWork, Drawing, Layer
from marinemap.catalogue.new_sources import give, read_waiting
from marinemap.catalogue.registration import register

pytestmark = pytest.mark.django_db


def files(home: Path) -> set[str]:
    """Return the drawings that are there."""
    return {file.name for file in (home / "drawings").glob("*.pmtiles")}


def test_layer_is_drawn_once(reefs: Layer, home: Path) -> None:
    assert undrawn.find_next() == reefs
    (told,) = drawings.draw_missing()
    assert told.startswith("reefs: Drawn: ")
    drawing = Drawing.objects.get()
    assert (drawing.is_finished, drawing.progress) == (True, 100)
    assert files(home) == {drawing.file}
    assert undrawn.find_next() is None
    assert list(drawings.draw_missing()) == []


def test_other_data_are_drawn_again_and_the_old_drawing_stays_until_then(
    reefs: Layer, home: Path, marine_gpkg: Path
) -> None:
    list(drawings.draw_missing())
    before = files(home)
    register("reefs", marine_gpkg, "ports")
    assert undrawn.find_next() is not None
    assert files(home) == before
    list(drawings.draw_missing())
    assert files(home) > before
    for file in (home / "drawings").glob("*.pmtiles"):
        os.utime(file, (time.time() - 3600,) * 2)
    assert set(drawings.remove_stale()) == before
    assert files(home) == {Drawing.objects.get().file}


def test_drawing_whose_file_is_gone_is_made_anew(reefs: Layer, home: Path) -> None:
    list(drawings.draw_missing())
    before = files(home)
    for name in before:
        (home / "drawings" / name).unlink()
    assert undrawn.find_next() == reefs
    list(drawings.draw_missing())
    assert files(home) == before
    assert undrawn.find_next() is None


def test_layer_that_cannot_be_drawn_is_told_of_and_not_tried_again(
    reefs: Layer, marine_gpkg: Path
) -> None:
    Layer.objects.update(source=str(marine_gpkg.with_name("gone.gpkg")))
    (told,) = drawings.draw_missing()
    assert "Not drawn: " in told and "gone.gpkg" in told
    assert undrawn.find_next() is None


def cut_off_a_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(*_: object, **__: object) -> None:
        raise SystemExit

    with monkeypatch.context() as ending:
        ending.setattr(drawings, "draw", end)
        with pytest.raises(SystemExit):
            list(drawings.draw_missing())


def test_drawing_without_an_end_comes_after_the_others(
    reefs: Layer, marine_gpkg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off_a_drawing(monkeypatch)
    register("ports", marine_gpkg, "ports")
    Layer.objects.filter(pk="ports").update(feature_count=1_000)
    told = [each.partition(":")[0] for each in drawings.draw_missing()]
    assert told == ["ports", "reefs"]


def test_drawings_without_an_end_take_turns(
    reefs: Layer, marine_gpkg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off_a_drawing(monkeypatch)
    register("ports", marine_gpkg, "ports")
    Layer.objects.filter(pk="ports").update(feature_count=1)
    cut_off_a_drawing(monkeypatch)
    assert undrawn.find_next() == reefs
    cut_off_a_drawing(monkeypatch)
    assert undrawn.find_next() == Layer.objects.get(pk="ports")


def test_drawing_without_an_end_is_not_begun_without_pause(
    reefs: Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(begun.MOST_ATTEMPTS):
        assert undrawn.find_next() == reefs
        cut_off_a_drawing(monkeypatch)
    assert undrawn.find_next() is None
    BegunWork.objects.update(begun_at=timezone.now() - begun.PAUSE)
    assert list(drawings.draw_missing())[0].startswith("reefs: Drawn")
    assert not BegunWork.objects.exists()


def test_held_drawing_without_an_end_keeps_no_other_from_its_turn(
    reefs: Layer, marine_gpkg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(drawings.draw_missing())
    give(reefs, str(marine_gpkg), "ports", is_held=True)
    list(read_waiting())
    cut_off_a_drawing(monkeypatch)
    register("ports", marine_gpkg, "ports")
    cut_off_a_drawing(monkeypatch)
    # Two that had no end take turns; what is new comes before both.
    register("coastline", marine_gpkg, "coastline")
    told = [each.partition(":")[0] for each in drawings.draw_missing()]
    assert told == ["coastline", "reefs", "ports"]


def test_small_held_data_are_drawn_before_a_large_layer(reefs: Layer, marine_gpkg: Path) -> None:
    list(drawings.draw_missing())
    give(reefs, str(marine_gpkg), "ports", is_held=True)
    list(read_waiting())
    register("coastline", marine_gpkg, "coastline")
    Layer.objects.filter(pk="coastline").update(feature_count=10_000_000)
    assert [each.partition(":")[0] for each in drawings.draw_missing()] == ["reefs", "coastline"]


def test_drawing_that_comes_on_says_so(reefs: Layer) -> None:
    told: list[str] = []
    list(drawings.draw_missing(lambda: told.append(Drawing.objects.count() * "begun")))
    assert told[0] == "" and "begun" in told


def test_drawing_that_is_silent_is_ended_by_the_kernel(
    reefs: Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[float] = []
    draw = drawings.draw

    def look(*arguments: Any, **options: Any) -> Any:
        # An alarm that nobody takes up ends the process, by the kernel.
        left.append(signal.getitimer(signal.ITIMER_REAL)[0])
        return draw(*arguments, **options)

    monkeypatch.setattr(drawings, "draw", look)
    call_command("drawlayers")
    assert 0 < left[0] <= 3600
    assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_second_process_leaves_the_drawing_to_the_first(reefs: Layer, home: Path) -> None:
    (home / "drawings").mkdir(parents=True)
    with (home / "drawings" / ".drawing").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert list(drawings.draw_missing()) == []
    assert len(list(drawings.draw_missing())) == 1


def test_map_reads_the_drawing_by_ranges(reefs: Layer) -> None:
    client = Client()
    waiting = client.get("/api/collections/reefs").json()
    assert waiting["drawing"] == {"progress": 0}
    list(drawings.draw_missing())
    described = client.get("/api/collections/reefs").json()
    assert "drawing" not in described
    (link,) = [at for at in described["links"] if at["type"] == "application/vnd.pmtiles"]

    def read(begin: int, length: int) -> bytes:
        asked = {"Range": f"bytes={begin}-{begin + length - 1}"}
        answer = client.get(link["href"], headers=asked)
        assert (answer.status_code, answer["Content-Type"]) == (206, link["type"])
        assert "immutable" in answer["Cache-Control"]
        return b"".join(answer.streaming_content)

    reader = Reader(read)
    assert reader.header()["max_zoom"] >= 0
    assert reader.get(0, 0, 0)


@pytest.mark.parametrize("name", ["other.pmtiles", "..%2F.drawing", ".drawing", "%00"])
def test_only_the_present_drawing_is_served(reefs: Layer, name: str) -> None:
    list(drawings.draw_missing())
    answer = Client().get(f"/api/collections/reefs/drawings/{name}")
    assert answer.status_code == 404


def test_drawing_of_a_withdrawn_layer_is_not_served(reefs: Layer) -> None:
    list(drawings.draw_missing())
    file = Drawing.objects.get().file
    Layer.objects.update(is_published=False)
    assert Client().get(f"/api/collections/reefs/drawings/{file}").status_code == 404
