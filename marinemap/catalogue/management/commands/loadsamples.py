"""``manage.py loadsamples``: put the sample layers into the catalogue."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from marinemap.catalogue import moved_home, samples
from marinemap.errors import MarineMapError


class Command(BaseCommand):
    """Load the samples, unless they were loaded before."""

    help = "Put the sample layers into the catalogue, once."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--again", action="store_true", help="also those removed since")

    def handle(self, *args: Any, **options: Any) -> None:
        """Unpack and register."""
        # The folder of the project may have another name since, and the home in it.
        moved_home.follow()
        if samples.are_loaded() and not options["again"]:
            return
        try:
            for layer in samples.load():
                self.stdout.write(f"Loaded sample {layer.pk}: {layer.feature_count:,} features")
        except MarineMapError as error:
            raise CommandError(str(error)) from error
