"""``manage.py checklayers``: whether the data of the layers can be served."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from marinemap.catalogue.models import Layer, find_layer
from marinemap.catalogue.reading import check
from marinemap.errors import MarineMapError


class Command(BaseCommand):
    """Read the data of layers as to add them, without changing the catalogue."""

    help = "Read the data of layers as addlayer does, and tell what is wrong; changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("ids", nargs="*", metavar="id", help="layers; all by default")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print a line for each layer; end with 1 where one cannot be served."""
        try:
            layers = [find_layer(each) for each in options["ids"]] or list(Layer.objects.all())
        except MarineMapError as error:
            raise CommandError(str(error)) from error
        wrong = [layer for layer in layers if not self._is_sound(layer)]
        if wrong:
            raise CommandError(f"{len(wrong)} of {len(layers)} layers cannot be served")

    def _is_sound(self, layer: Layer) -> bool:
        try:
            is_unchanged = check(layer)
        except MarineMapError as error:
            # The error is for everybody, and names no folder of this machine.
            self.stdout.write(f"{layer.pk}: {error} (its source: {layer.given_source[0]})")
            return False
        changed = (
            "the data have changed; the schedule reads them within minutes"
            if layer.is_read
            else "in order; the schedule reads it to serve it"
        )
        self.stdout.write(f"{layer.pk}: {'in order' if is_unchanged else changed}")
        return True
