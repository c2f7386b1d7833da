"""The site's folder under another path: a backup restored elsewhere, a share mounted anew."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from marinemap.catalogue import moved_home, samples, uploads
from marinemap.catalogue.models import Layer, SourceLook
from marinemap.catalogue.registration import register

pytestmark = pytest.mark.django_db


@pytest.fixture
def upload(home: Path, marine_gpkg: Path) -> SourceLook:
    """One that a layer uses, beside a layer whose file is called as a sample's."""
    look = SourceLook.objects.create(kind=SourceLook.Kind.UPLOAD, name="sea.gpkg")
    data = uploads.folder_of(look) / "data"
    sample = home / "samples" / min(samples.file_names())
    for path in (data / "sea.gpkg", sample):
        path.parent.mkdir(parents=True)
        shutil.copy2(marine_gpkg, path)
    register("reefs", data / "sea.gpkg", "reefs")
    register("ports", sample, "ports")
    found = {"source": str(data / "sea.gpkg"), "layer": "reefs", "kind": "", "refusal": ""}
    SourceLook.objects.update(layers=[found])
    return look


def sources() -> list[str]:
    return list(Layer.objects.order_by("pk").values_list("source", flat=True))


def test_layers_of_a_home_that_was_moved_are_read_where_they_are(
    upload: SourceLook, home: Path, settings: Any
) -> None:
    """All samples and uploads were unreadable, and uploads were removed after a day."""
    versions, before = list(Layer.objects.order_by("pk").values_list("version")), sources()
    settings.MARINEMAP_HOME = home.rename(home.with_name("another"))
    uploads.forget_old()
    SourceLook.objects.exclude(unused_since=None).update(
        unused_since=timezone.now() - timedelta(days=9)
    )
    assert uploads.forget_old() == []
    call_command("refreshlayers")
    call_command("checklayers")
    assert sources() == [path.replace(str(home), str(settings.MARINEMAP_HOME)) for path in before]
    assert list(Layer.objects.order_by("pk").values_list("version")) == versions
    upload.refresh_from_db()
    assert [each["source"] for each in upload.layers] == [Layer.objects.get(pk="reefs").source]


def test_layers_whose_files_are_where_they_were_stay(
    upload: SourceLook, home: Path, settings: Any, marine_gpkg: Path
) -> None:
    """A copy of a home beside the first, and a file that has nothing to do with it."""
    (home / "samples" / "mine.gpkg").symlink_to(marine_gpkg)
    Layer.objects.filter(pk="ports").update(source=f"{home}/gone/samples/mine.gpkg")
    before = sources()
    settings.MARINEMAP_HOME = Path(shutil.copytree(home, home.with_name("copy")))
    assert moved_home.follow() == []
    assert sources() == before


def test_checklayers_tells_where_it_looked(
    upload: SourceLook, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(home / "layers")
    with pytest.raises(CommandError, match="1 of 1 layers cannot be served"):
        call_command("checklayers", "reefs")
    assert f"(its source: {home}/layers/{upload.pk}/data/sea.gpkg)" in capsys.readouterr().out
