"""``manage.py drawlayers``: draw for the map what is not drawn yet."""

from __future__ import annotations

import signal
from typing import Any

from django.core.management.base import BaseCommand

from marinemap.catalogue.drawings import draw_missing

# A source that has no end: a view that counts for ever.
_MOST_SILENT_SECONDS = 3600


class Command(BaseCommand):
    """Draw layers until all are drawn; the schedule starts this by itself."""

    help = "Draw for the map the layers whose drawing is missing or of older data."

    def handle(self, *args: Any, **options: Any) -> None:
        """Draw, telling of each layer; one that does not come on for an hour ends the process.

        By the kernel: a library that reads for ever looks at nothing of Python's meanwhile.
        """
        try:
            for told in draw_missing(lambda: signal.alarm(_MOST_SILENT_SECONDS)):
                self.stdout.write(told)
                self.stdout.flush()
        finally:
            signal.alarm(0)
