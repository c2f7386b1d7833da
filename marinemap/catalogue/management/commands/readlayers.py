"""``manage.py readlayers``: read the sources that were given in the admin site."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from marinemap.catalogue.area_names import index_missing
from marinemap.catalogue.begun import SECONDS_AGAIN, SECONDS_AT_FIRST
from marinemap.catalogue.new_sources import read_unfinished, read_waiting
from marinemap.catalogue.time_limit import add_again, limited


class Command(BaseCommand):
    """Read what waits; the schedule starts this by itself."""

    help = (
        "Read the sources that were given for layers in the admin site, and serve or refuse them."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the option."""
        add_again(parser)

    def handle(self, *args: Any, again: bool = False, **options: Any) -> None:
        """Read, telling of each layer."""
        reading = (
            limited(read_unfinished(), SECONDS_AGAIN)
            if again
            else limited(read_waiting(), SECONDS_AT_FIRST)
        )
        for told in reading:
            self.stdout.write(told)
            self.stdout.flush()
        for told in limited(index_missing(), SECONDS_AT_FIRST):
            self.stdout.write(f"Indexed {told}")
