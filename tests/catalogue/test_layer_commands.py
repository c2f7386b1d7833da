"""``manage.py listlayers``, ``checklayers`` and ``removelayer``."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import OperationalError
from django.db.models.signals import pre_delete

from marinemap.catalogue.models import Layer
from marinemap.catalogue.registration import register
from tests.catalogue.test_addlayer import write_points

pytestmark = pytest.mark.django_db


def run(command: str, *arguments: str) -> list[str]:
    out = StringIO()
    call_command(command, *arguments, stdout=out)
    return out.getvalue().splitlines()


@pytest.fixture
def ports(tmp_path: Path) -> Path:
    path = write_points(tmp_path / "ports.gpkg", [(1, 1), (2, 2)])
    register("ports", path)
    return path


def test_layers_are_listed_in_columns(ports: Path, reefs: Layer) -> None:
    Layer.objects.filter(pk="ports").update(is_published=False, title="Ports\nand harbours")
    head, first, second = run("listlayers")
    assert first.split()[:4] == ["ports", "2", "Point", "no"]
    assert second.split()[:4] == ["reefs", "100", "Polygon", "yes"]
    # A line each, whatever a title holds.
    assert r"Ports\nand harbours" in first
    assert first.endswith(str(ports))
    assert first.index("Point") == second.index("Polygon") == head.index("TYPE")


def test_empty_catalogue_says_how_to_fill_it() -> None:
    assert run("listlayers") == ["No layers yet; manage.py addlayer adds one."]


def test_layers_are_checked_without_a_change_of_the_catalogue(ports: Path, reefs: Layer) -> None:
    assert run("checklayers") == ["ports: in order", "reefs: in order"]
    before = Layer.objects.values().get(pk="ports")
    write_points(ports, [(1, 1), (2, 2), (3, 3)])
    (told,) = run("checklayers", "ports")
    assert told == "ports: the data have changed; the schedule reads them within minutes"
    assert Layer.objects.values().get(pk="ports") == before


def test_layer_that_is_gone_or_damaged_fails_the_check(
    ports: Path, reefs: Layer, capsys: pytest.CaptureFixture[str]
) -> None:
    ports.write_bytes(ports.read_bytes()[:5000])
    out = StringIO()
    with pytest.raises(CommandError, match="1 of 2 layers cannot be served"):
        call_command("checklayers", stdout=out)
    told = out.getvalue().splitlines()
    assert told[0].startswith("ports: source: ")
    assert told[1] == "reefs: in order"
    ports.unlink()
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("checklayers", "ports", stdout=out)
    told = "ports: source: there is no file ports.gpkg (its source: {})\n"
    assert out.getvalue() == told.format(ports)


@pytest.mark.parametrize("command", ["checklayers", "removelayer"])
def test_unknown_layer_is_named_with_the_nearest_and_nothing_is_done(
    command: str, ports: Path
) -> None:
    with pytest.raises(CommandError, match="no layer 'port'.*Did you mean 'ports'"):
        call_command(command, "ports", "port", stdout=StringIO())
    assert Layer.objects.filter(pk="ports").exists()


def test_layer_is_removed_and_its_data_stay(ports: Path, reefs: Layer) -> None:
    assert run("removelayer", "ports", "ports") == [f"Removed: ports; its data stay in {ports}"]
    assert list(Layer.objects.values_list("pk", flat=True)) == ["reefs"]
    assert ports.exists()


def test_all_layers_are_removed_or_none(ports: Path, reefs: Layer) -> None:
    def refuse(instance: Layer, **_: Any) -> None:
        if instance.pk == "reefs":
            raise OperationalError("database is locked")

    pre_delete.connect(refuse, sender=Layer)
    try:
        with pytest.raises(OperationalError):
            call_command("removelayer", "ports", "reefs", stdout=(out := StringIO()))
    finally:
        pre_delete.disconnect(refuse, sender=Layer)
    assert sorted(Layer.objects.values_list("pk", flat=True)) == ["ports", "reefs"]
    assert out.getvalue() == ""
