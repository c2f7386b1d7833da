"""``manage.py readlayers``: read the sources that were given in the admin site."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from marinemap.catalogue.area_names import index_missing
from marinemap.catalogue.new_sources import read_waiting


class Command(BaseCommand):
    """Read what waits; the schedule starts this by itself."""

    help = (
        "Read the sources that were given for layers in the admin site, and serve or refuse them."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Read, telling of each layer."""
        for told in read_waiting():
            self.stdout.write(told)
            self.stdout.flush()
        for told in index_missing():
            self.stdout.write(f"Indexed {told}")
