"""``manage.py drawlayers``: draw for the map what is not drawn yet."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from marinemap.catalogue.drawings import draw_missing


class Command(BaseCommand):
    """Draw layers until all are drawn; the schedule starts this by itself."""

    help = "Draw for the map the layers whose drawing is missing or of older data."

    def handle(self, *args: Any, **options: Any) -> None:
        """Draw, telling of each layer."""
        for told in draw_missing():
            self.stdout.write(told)
            self.stdout.flush()
