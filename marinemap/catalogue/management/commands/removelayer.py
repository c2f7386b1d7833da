"""``manage.py removelayer``: take a layer out of the catalogue."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from marinemap.catalogue.models import find_layer
from marinemap.catalogue.uploads import is_uploaded
from marinemap.errors import MarineMapError


class Command(BaseCommand):
    """Take layers out of the catalogue; their data stay where they are."""

    help = (
        "Take layers out of the catalogue. Their data stay where they are, as do extracts that "
        "were made of them, for those who might see the layer; requests that wait for one fail and "
        "say so."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("ids", nargs="+", metavar="id", help="a layer's id, such as reefs")

    def handle(self, *args: Any, **options: Any) -> None:
        """Remove all that were named, or none."""
        try:
            layers = [find_layer(each) for each in dict.fromkeys(options["ids"])]
        except MarineMapError as error:
            raise CommandError(str(error)) from error
        removed = [(layer.pk, layer.given_source[0]) for layer in layers]
        with transaction.atomic():
            for layer in layers:
                layer.delete()
        for layer_id, source in removed:
            stay = "go within two days from" if is_uploaded(source) else "stay in"
            self.stdout.write(f"Removed: {layer_id}; its data {stay} {source}")
