"""The sample layers that come with the project."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from marinemap.catalogue import samples
from marinemap.catalogue.models import Layer
from marinemap.catalogue.registration import register
from marinemap.extraction import describe

FOLDER = Path(samples.__file__).parent / "samples"
MANIFEST: dict[str, Any] = json.loads((FOLDER / "manifest.json").read_text())
IDS = {entry["id"] for entry in MANIFEST["layers"]}

pytestmark = pytest.mark.django_db


@pytest.fixture
def few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Only the samples of the smallest file, for unpacking all takes seconds."""
    folder = tmp_path / "samples"
    folder.mkdir()
    smallest = min(FOLDER.glob("*.xz"), key=lambda path: path.stat().st_size)
    shutil.copy(smallest, folder)
    entries = [entry for entry in MANIFEST["layers"] if entry["file"] == smallest.name]
    (folder / "manifest.json").write_text(json.dumps({"layers": entries}))
    monkeypatch.setattr(samples, "_FOLDER", folder)
    return entries


def test_every_sample_is_what_the_manifest_says() -> None:
    call_command("loadsamples")
    assert {layer.pk for layer in Layer.objects.all()} == IDS
    for entry in MANIFEST["layers"]:
        layer = Layer.objects.get(pk=entry["id"])
        dataset = describe(layer.path, layer.source_layer)
        assert dataset.feature_count == layer.feature_count == entry["feature_count"]
        assert (layer.crs, layer.geometry_type) == (entry["crs"], entry["geometry_type"])
        assert layer.bounds == pytest.approx(entry["bounds"])
        assert (layer.title, layer.licence) == (entry["title"], entry["licence"])
        assert layer.licence and layer.attribution and layer.description


def test_samples_are_of_every_kind_and_small_enough() -> None:
    kinds = {entry["geometry_type"].removeprefix("Multi") for entry in MANIFEST["layers"]}
    assert kinds == {"Polygon", "LineString", "Point"}
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 8 * 1024 * 1024
    assert max(entry["feature_count"] for entry in MANIFEST["layers"]) >= 90_000


def test_samples_of_a_folder_that_is_gone_are_there_still(
    few: Any, settings: Any, tmp_path: Path
) -> None:
    settings.MARINEMAP_HOME = tmp_path / "one"
    call_command("loadsamples")
    settings.MARINEMAP_HOME = tmp_path / "two"
    call_command("loadsamples")
    assert {layer.pk for layer in Layer.objects.all()} == {entry["id"] for entry in few}


def test_second_run_does_nothing(few: Any, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("loadsamples")
    before = list(Layer.objects.values())
    assert "Loaded sample" in capsys.readouterr().out
    call_command("loadsamples")
    assert capsys.readouterr().out == ""
    assert list(Layer.objects.values()) == before


def test_sample_that_was_removed_does_not_come_back_unless_asked(few: Any) -> None:
    call_command("loadsamples")
    gone = Layer.objects.earliest("pk").pk
    Layer.objects.filter(pk=gone).delete()
    call_command("loadsamples")
    assert not Layer.objects.filter(pk=gone).exists()
    call_command("loadsamples", again=True)
    assert Layer.objects.filter(pk=gone).exists()


def test_layer_with_data_of_the_sites_own_is_left_alone(few: Any, marine_gpkg: Path) -> None:
    own, _ = register(few[0]["id"], marine_gpkg, "ports")
    call_command("loadsamples")
    assert Layer.objects.get(pk=own.pk).source == str(marine_gpkg)
    assert Layer.objects.count() == len(few)


def test_sample_that_is_not_what_the_manifest_says_is_refused(
    settings: Any, few: Any, tmp_path: Path
) -> None:
    changed = {"layers": [{**few[0], "unpacked_sha256": "0" * 64}]}
    (tmp_path / "samples" / "manifest.json").write_text(json.dumps(changed))
    with pytest.raises(CommandError, match="damaged"):
        call_command("loadsamples")
    assert not Layer.objects.exists()
    assert list((settings.MARINEMAP_HOME / "samples").iterdir()) == []
