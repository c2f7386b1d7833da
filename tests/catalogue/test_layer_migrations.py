"""Layers of earlier releases are served after an upgrade as those that are added then."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from marinemap.catalogue.models import Layer


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
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes()
    try:
        MigrationExecutor(connection).migrate([("catalogue", "0009_layer_theme")])
    finally:
        MigrationExecutor(connection).migrate(newest)
    changed = Layer.objects.exclude(fingerprint="as read")
    assert [layer.pk for layer in changed] == ["times"]
