"""``manage.py refreshlayers``: read the layers again whose data changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from marinemap.catalogue import moved_home
from marinemap.catalogue.area_names import index_missing, index_unfinished
from marinemap.catalogue.begun import SECONDS_AGAIN, SECONDS_AT_FIRST
from marinemap.catalogue.freshness import refresh_all, refresh_unfinished
from marinemap.catalogue.time_limit import add_again, limited


class Command(BaseCommand):
    """Read what changed; the schedule starts this by itself."""

    help = (
        "Read the layers of the catalogue again whose data changed since they were read, and the "
        "names of their areas."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the option."""
        add_again(parser)

    def handle(self, *args: Any, again: bool = False, **options: Any) -> None:
        """Read, telling of each layer."""
        moved_home.follow()
        seconds = SECONDS_AGAIN if again else SECONDS_AT_FIRST
        refreshed = refresh_unfinished() if again else refresh_all()
        indexed = index_unfinished() if again else index_missing()
        for told in limited(_in_words(refreshed), seconds):
            if told:
                self.stderr.write(told)
                self.stderr.flush()
        for told in limited(indexed, seconds):
            self.stdout.write(f"Indexed {told}")
            self.stdout.flush()


def _in_words(refreshed: Iterator[tuple[str, str]]) -> Iterator[str]:
    for layer_id, wrong in refreshed:
        yield f"Layer {layer_id} cannot be read: {wrong}" if wrong else ""
