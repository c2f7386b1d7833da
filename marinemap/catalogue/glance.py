"""A glance at the catalogue: whether what it says of its layers is another than before."""

from __future__ import annotations

from collections.abc import Hashable

from django.db import connection

from marinemap.catalogue.models import Drawing, Layer
from marinemap.extraction import fingerprint

# What is read from the data changes with these, and the words are few.
_OF_LAYERS = (
    "id, title, description, licence, attribution, source, source_layer, is_published, "
    "is_restricted, version, fingerprint, updated_at, "
    "most_features, most_megabytes, most_area_km2, most_corners"
)
_OF_DRAWINGS = "key, file, progress, is_finished"


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
