"""``manage.py looksources``: find the layers in what operators point at in the admin site."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from marinemap.catalogue.begun import SECONDS_AGAIN
from marinemap.catalogue.source_looks import look_waiting
from marinemap.catalogue.time_limit import limited
from marinemap.errors import UnavailableError


class Command(BaseCommand):
    """Look at what waits; the schedule starts this by itself."""

    help = "Find the layers in the uploads, files and databases that operators point at."

    def handle(self, *args: Any, **options: Any) -> None:
        """Look, telling of each; what takes an hour ends the process, and comes last then."""
        try:
            for told in limited(look_waiting(), SECONDS_AGAIN):
                self.stdout.write(told)
                self.stdout.flush()
        except UnavailableError as error:
            raise CommandError(str(error)) from error
