"""``manage.py extract``: the engine from the shell, for layers of the catalogue and for files."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from marinemap.catalogue.models import Layer
from marinemap.catalogue.viewers import OPERATOR
from marinemap.errors import MarineMapError, RequestError
from marinemap.extraction import SourceLayer
from marinemap.extraction.shell import command_line
from marinemap.extraction.shell import options as command_options


class Command(BaseCommand):
    """Clip a layer to an area and pack it as zipped files."""

    help = (
        "Clip a layer of the catalogue, or any vector file that GDAL reads, to an area, and pack "
        "it in a zip, as a shapefile or in another format. With a file no database is needed."
    )
    # The checks would open the database, which a file does not need.
    requires_system_checks: list[str] = []

    def run_from_argv(self, argv: list[str]) -> None:
        """Run with the arguments of a shell."""
        super().run_from_argv(command_options.with_bounds_joined(argv))

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        command_options.declare(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the engine, or tell what it would give."""
        try:
            command_line.run(options, _find(options), self.stdout.write)
        except MarineMapError as error:
            raise CommandError(error.in_full) from error


def _find(options: dict[str, Any]) -> SourceLayer:
    if command_options.is_file(options["source"]):
        return command_options.read_file(options)
    layer = Layer.objects.get_visible(options["source"], OPERATOR)
    if options["layer"] is not None:
        raise RequestError(
            f"'{options['source']}' is a layer of the catalogue; a layer is named within a file",
            field="layer",
            value=options["layer"],
            hint="Leave --layer out, or give the path of a file.",
        )
    return layer.to_source()
