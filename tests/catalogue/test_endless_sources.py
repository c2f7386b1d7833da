"""A layer whose changed data have no end keeps no other from being read again."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from marinemap.catalogue import area_names, begun, freshness, source_looks
from marinemap.catalogue.models import BegunWork, Layer, NameIndex, SourceLook
from marinemap.catalogue.registration import register
from marinemap.jobs import background
from marinemap.jobs.periodic import refresh_layers

pytestmark = pytest.mark.django_db


@pytest.fixture
def two(marine_gpkg: Path, tmp_path: Path) -> dict[str, Path]:
    """Two layers whose data changed since they were read; the reefs are the smaller."""
    found = {}
    for name in ("reefs", "ports"):
        found[name] = Path(shutil.copy2(marine_gpkg, tmp_path / f"{name}.gpkg"))
        register(name, found[name], name)
        found[name].touch()
    Layer.objects.filter(pk="reefs").update(feature_count=1)
    return found


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """End the process that reads the reefs, as the kernel does where they have no end."""
    refresh = freshness.refresh

    def end(layer: Layer) -> Layer:
        if layer.pk == "reefs":
            raise SystemExit
        return refresh(layer)

    with monkeypatch.context() as ending:
        ending.setattr(freshness, "refresh", end)
        yield


def later(by: timedelta = begun.SURELY_ENDED) -> None:
    BegunWork.objects.update(begun_at=timezone.now() - by)


def be_cut_off(reading: Any) -> None:
    with pytest.raises(SystemExit):
        list(reading())
    later()


def test_the_others_are_read_in_the_next_round(two: dict[str, Path], endless: None) -> None:
    be_cut_off(freshness.refresh_all)
    assert dict(freshness.refresh_all()) == {"reefs": "", "ports": ""}
    ports = Layer.objects.get(pk="ports")
    assert ports.fingerprint == freshness.fingerprint(two["ports"])


def test_it_is_tried_beside_the_others_and_then_with_pauses(
    two: dict[str, Path], endless: None
) -> None:
    be_cut_off(freshness.refresh_all)
    for _ in range(begun.MOST_ATTEMPTS - 1):
        assert freshness.is_any_unfinished()
        be_cut_off(freshness.refresh_unfinished)
    assert not freshness.is_any_unfinished() and not list(freshness.refresh_unfinished())
    told = dict(freshness.refresh_all())
    assert "begun 3 times" in told["reefs"] and told["ports"] == ""
    assert "begun 3 times" in Layer.objects.get(pk="reefs").trouble
    later(begun.PAUSE)
    assert freshness.is_any_unfinished()


def test_data_that_changed_since_are_new(two: dict[str, Path], endless: None) -> None:
    for _ in range(begun.MOST_ATTEMPTS):
        be_cut_off(freshness.refresh_all)
        BegunWork.objects.update(state="other data")
    assert BegunWork.objects.get().attempts == 1


def test_one_that_comes_to_an_end_after_all_is_served(two: dict[str, Path]) -> None:
    with begun.noted("reefs", begun.Kind.DATA, freshness.fingerprint(two["reefs"])):
        # It may be read just now by the other process.
        assert not freshness.is_any_unfinished()
        later()
        assert dict(freshness.refresh_unfinished()) == {"reefs": ""}
    assert not BegunWork.objects.exists()
    reefs = Layer.objects.get(pk="reefs")
    assert reefs.fingerprint == freshness.fingerprint(two["reefs"])


def test_names_without_an_end_keep_no_others_from_the_index(
    two: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, source in two.items():
        register(name, source, "reefs", area_names="name")
    read_names = area_names.read_names

    def end(dataset: Any, *rest: Any) -> Any:
        if dataset.path == two["reefs"]:
            raise SystemExit
        return read_names(dataset, *rest)

    monkeypatch.setattr(area_names, "read_names", end)
    Layer.objects.filter(pk="reefs").update(feature_count=1)
    be_cut_off(area_names.index_missing)
    assert [told.partition(":")[0] for told in area_names.index_missing()] == ["ports"]
    assert not area_names.is_any_unindexed() and area_names.is_any_unfinished()
    be_cut_off(area_names.index_unfinished)
    # Nothing is left of what had no end but the last try.
    assert NameIndex.objects.filter(layer="reefs").count() == 1
    monkeypatch.undo()
    assert len(list(area_names.index_unfinished())) == 1
    assert not area_names.is_any_unfinished()


def test_schedule_starts_the_second_process(
    two: dict[str, Path], endless: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    monkeypatch.setattr(background.refreshing, "begin", lambda: started.append("first"))
    monkeypatch.setattr(background.refreshing_again, "begin", lambda: started.append("again"))
    be_cut_off(freshness.refresh_all)
    refresh_layers()
    assert started == ["first", "again"]


def test_each_reading_has_an_end_by_the_kernel(
    two: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[float] = []
    refresh = freshness.refresh

    def look(layer: Layer) -> Layer:
        left.append(signal.getitimer(signal.ITIMER_REAL)[0])
        return refresh(layer)

    monkeypatch.setattr(freshness, "refresh", look)
    call_command("refreshlayers")
    assert len(left) == 2 and all(0 < seconds <= begun.SECONDS_AT_FIRST for seconds in left)
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_each_look_at_what_was_pointed_at_has_an_end_by_the_kernel(
    marine_gpkg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[float] = []

    def look(path: Path) -> list[Any]:
        left.append(signal.getitimer(signal.ITIMER_REAL)[0])
        return []

    monkeypatch.setattr(source_looks, "find_layers", look)
    SourceLook.objects.create(kind=SourceLook.Kind.FILE, name=str(marine_gpkg))
    call_command("looksources")
    assert len(left) == 1 and 0 < left[0] <= begun.SECONDS_AGAIN
