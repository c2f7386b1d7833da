"""``manage.py listlayers``: what is in the catalogue."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from marinemap.catalogue.models import Layer
from marinemap.errors import quote

_COLUMNS = ("ID", "FEATURES", "TYPE", "PUBLISHED", "READ", "TITLE", "SOURCE")


class Command(BaseCommand):
    """List the layers of the catalogue."""

    help = "List the layers of the catalogue, with where their data are and when they were read."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print a line for each layer, in columns."""
        layers = Layer.objects.order_by("pk").select_related("to_read")
        if not layers:
            self.stdout.write("No layers yet; manage.py addlayer adds one.")
            return
        rows = [_COLUMNS, *(_row(layer) for layer in layers)]
        widths = [max(len(row[at]) for row in rows) for at in range(len(_COLUMNS))]
        for row in rows:
            cells = (text.ljust(width) for text, width in zip(row, widths, strict=True))
            self.stdout.write("  ".join(cells).rstrip())


def _row(layer: Layer) -> tuple[str, ...]:
    return (
        layer.pk,
        f"{layer.feature_count:,}",
        layer.geometry_type,
        "yes" if layer.is_published else "no",
        f"{layer.updated_at:%Y-%m-%d %H:%M}" if layer.is_read else "not yet",
        quote(layer.title),
        layer.given_source[0],
    )
