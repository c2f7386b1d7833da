"""A glance at the catalogue: whether what it says of its layers is another than before.

The models' own way takes ten times as long as a plain query.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

from django.db import connection

from marinemap.catalogue.models import Drawing, Layer
from marinemap.catalogue.viewers import Viewer
from marinemap.extraction import fingerprint

# What is read from the data changes with these, and the words are few.
_OF_LAYERS = (
    "id, title, description, theme, position, licence, attribution, source, source_layer, "
    "is_published, is_restricted, name_field, version, fingerprint, updated_at, "
    "most_features, most_megabytes, most_area_km2, most_corners"
)
_OF_DRAWINGS = "key, file, progress, is_finished"
# Layers that were asked for last, each with all that the database has of it and its drawing.
_MOST_KEPT = 200
_kept: OrderedDict[str, tuple[Any, Layer]] = OrderedDict()


def catalogue_as_it_is() -> Hashable:
    """Return what is another when layers or their drawings are; one plain query.

    Who may see a layer that is for groups is not in it.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {_named('layer', _OF_LAYERS)}, {_named('drawing', _OF_DRAWINGS)} "
            f"FROM {Layer._meta.db_table} layer LEFT JOIN {Drawing._meta.db_table} drawing "
            "ON drawing.layer_id = layer.id ORDER BY layer.id"
        )
        return tuple(cursor.fetchall())


def _named(table: str, columns: str) -> str:
    return ", ".join(f"{table}.{column.strip()}" for column in columns.split(","))


def layer_as_it_is(layer: Layer) -> Hashable:
    """Return what is another when a layer or its data are; None where it is gone.

    One plain query, and a look at the file.
    """
    with connection.cursor() as cursor:
        query = f"SELECT {_OF_LAYERS} FROM {Layer._meta.db_table} WHERE id = %s"
        cursor.execute(query, [layer.pk])
        row = cursor.fetchone()
    return row and (row, fingerprint(layer.path))


def layer_seen_by(viewer: Viewer, layer_id: str) -> Layer | None:
    """Return a layer that somebody may see, with its drawing; None where there is none.

    It is made anew where anything in its row is another; until then all are given the same, and
    nobody changes it.
    """
    layer = _layer_of(layer_id)
    if layer is None or not layer.is_published:
        return None
    if not layer.is_restricted or viewer.sees_all:
        return layer
    # Who is in which group is in no row of it.
    is_seen = Layer.objects.published_to(viewer).filter(pk=layer_id).exists()
    return layer if is_seen else None


def _layer_of(layer_id: str) -> Layer | None:
    row = _row_of(layer_id)
    if row is None:
        return None
    kept_row, layer = _kept.get(layer_id, (None, None))
    if layer is not None and kept_row == row:
        return layer
    # Read after the row: what changes in between makes the next row another.
    layer = Layer.objects.select_related("drawing").filter(pk=layer_id).first()
    if layer is not None:
        _kept[layer_id] = (row, layer)
        while len(_kept) > _MOST_KEPT:
            _kept.popitem(last=False)
    return layer


def _row_of(layer_id: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT layer.*, drawing.* FROM {Layer._meta.db_table} layer "
            f"LEFT JOIN {Drawing._meta.db_table} drawing ON drawing.layer_id = layer.id "
            "WHERE layer.id = %s",
            [layer_id],
        )
        return cursor.fetchone()
