"""Layers of earlier releases are served after an upgrade as those that are added then."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest
import shapely
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from marinemap.catalogue.freshness import refresh_all
from marinemap.catalogue.models import Layer
from marinemap.catalogue.registration import register
from tests.extraction.layers import write_layer


@pytest.mark.django_db(transaction=True)
def test_layers_whose_times_may_bear_zones_are_read_again() -> None:
    for layer_id, source, kind in (
        ("times", "/data/a.fgb", "datetime"),
        ("geopackage", "/data/b.gpkg", "datetime"),
        ("table", "postgresql://host/db?table=c", "datetime"),
        ("texts", "/data/d.csv", "str"),
    ):
        fields = [{"name": "seen", "type": kind}]
        words = {"title": layer_id, "version": "1", "fingerprint": "as read"}
        Layer.objects.create(id=layer_id, source=source, fields=fields, **words)
    upgrade_from("0009_layer_theme")
    changed = Layer.objects.filter(fingerprint="zones not sought")
    assert [layer.pk for layer in changed] == ["times"]


@pytest.mark.django_db(transaction=True)
def test_too_small_extent_of_an_earlier_release_is_healed_by_the_schedule(tmp_path: Path) -> None:
    points = [shapely.Point(1, 41), shapely.Point(9, 49)]
    source = write_layer(tmp_path / "sea.gpkg", points, kind="Point")
    with contextlib.closing(sqlite3.connect(source)) as database, database:
        database.execute("UPDATE gpkg_contents SET max_x = 2, max_y = 42")
    register("sea", source)
    # As an earlier release read it.
    small = [1.0, 41.0, 2.0, 42.0]
    Layer.objects.filter(pk="sea").update(bounds=small, bounds_4326=small)
    upgrade_from("0014_begun_work")
    assert dict(refresh_all()) == {"sea": ""}
    layer = Layer.objects.get(pk="sea")
    assert layer.bounds == pytest.approx([1, 41, 9, 49], abs=1e-4)
    assert layer.bounds_4326 == pytest.approx([1, 41, 9, 49], abs=1e-4)


def upgrade_from(release: str) -> None:
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes()
    try:
        MigrationExecutor(connection).migrate([("catalogue", release)])
    finally:
        MigrationExecutor(connection).migrate(newest)
