"""``manage.py refreshlayers``: read the layers again whose data changed."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from marinemap.catalogue.area_names import index_missing
from marinemap.catalogue.freshness import refresh_all


class Command(BaseCommand):
    """Read what changed; the schedule starts this by itself."""

    help = (
        "Read the layers of the catalogue again whose data changed since they were read, and the "
        "names of their areas."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Read, telling of each layer that cannot be."""
        for layer_id, wrong in refresh_all().items():
            self.stderr.write(f"Layer {layer_id} cannot be read: {wrong}")
        for told in index_missing():
            self.stdout.write(f"Indexed {told}")
