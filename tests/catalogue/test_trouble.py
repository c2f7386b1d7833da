"""A layer whose data are gone: marked, refused, told of once, and served again by itself."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from marinemap.catalogue.freshness import is_any_changed, mark, refresh, refresh_all
from marinemap.catalogue.models import Layer
from marinemap.catalogue.registration import register
from marinemap.errors import UnavailableError
from marinemap.jobs import background, submission
from marinemap.jobs.periodic import refresh_layers
from marinemap.mail.models import Letter
from tests.jobs.conftest import AREA

pytestmark = pytest.mark.django_db


@pytest.fixture
def source(marine_gpkg: Path, tmp_path: Path, settings: Any) -> Path:
    settings.MARINEMAP_HOME = tmp_path / "home"
    settings.ADMINS = [("Ann", "ann@example.org")]
    copy = Path(shutil.copy2(marine_gpkg, tmp_path / "marine.gpkg"))
    register("reefs", copy, "reefs")
    return copy


@pytest.fixture(autouse=True)
def no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    # What it would do these tests do themselves.
    monkeypatch.setattr(background.refreshing, "begin", lambda: False)


def ask(*layers: str) -> Any:
    inputs = {"layers": list(layers), "area": AREA}
    return submission.prepare("extract", inputs)


def test_layer_without_its_file_is_marked_and_refused(source: Path, client: Client) -> None:
    ask("reefs")
    away = source.rename(source.with_suffix(".away"))
    list(refresh_all())
    assert "there is no file marine.gpkg" in Layer.objects.get().trouble
    told = client.get("/api/collections/reefs", HTTP_ACCEPT="application/json").json()
    assert "cannot be read now" in told["trouble"] and "marine.gpkg" not in told["trouble"]
    with pytest.raises(UnavailableError, match="the data of 'reefs' cannot be read now"):
        ask("reefs")
    # Back as it was, it is served before anybody looks again.
    away.rename(source)
    ask("reefs")
    assert is_any_changed()
    list(refresh_all())
    assert Layer.objects.get().trouble == "" and not is_any_changed()


def test_layer_that_is_there_is_delivered_beside_one_that_is_not(
    source: Path, marine_gpkg: Path
) -> None:
    register("ports", marine_gpkg, "ports")
    source.unlink()
    list(refresh_all())
    ask("reefs", "ports")


def test_file_that_cannot_be_read_is_trouble(source: Path) -> None:
    source.write_bytes(b"no GeoPackage")
    list(refresh_all())
    assert Layer.objects.get().trouble
    with pytest.raises(UnavailableError):
        ask("reefs")


def test_administrators_are_told_once_each_time(source: Path) -> None:
    away = source.with_suffix(".away")
    for round_ in (1, 2):
        source.rename(away)
        list(refresh_all())
        refresh_layers()
        list(refresh_all())
        refresh_layers()
        assert Letter.objects.count() == round_
        away.rename(source)
        list(refresh_all())
        refresh_layers()
    letter = Letter.objects.order_by("pk")[0]
    assert letter.subject == "[MarineMap] layer reefs cannot be read"
    assert str(source) in letter.body and "checklayers" in letter.body


def test_layer_that_was_pointed_elsewhere_meanwhile_is_left_alone(source: Path) -> None:
    stale = Layer.objects.get()
    register("reefs", source, "ports")
    wanted = Layer.objects.values().get()
    # As of before the file was written, whose reading began then.
    stale.fingerprint = "before"
    refresh(stale)
    mark(stale, "its data are gone")
    assert Layer.objects.values().get() == wanted
