"""``manage.py addlayer``: put a layer of a vector file into the catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from marinemap.catalogue.registration import LayerText, register
from marinemap.errors import MarineMapError


class Command(BaseCommand):
    """Add a layer, or read a known one again."""

    help = (
        "Add a layer to the catalogue, or read a known one again after its data changed. CRS, "
        "bounds, geometry type, fields and count are read from the data."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("id", help="the layer's id, for example reefs; it names files")
        parser.add_argument("source", type=Path, help="path of a vector file that GDAL reads")
        parser.add_argument("--layer", help="the layer's name in the file, where it has several")
        parser.add_argument("--title", help="what people see; the id by default")
        parser.add_argument("--description", help="a sentence or two about the data")
        parser.add_argument("--licence", "--license", dest="licence", help="terms of use")
        parser.add_argument("--attribution", help="whom to name when the data are used")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read the layer and save what it holds."""
        text = LayerText(
            **{n: options[n] for n in ("title", "description", "licence", "attribution")}
        )
        source = Path(options["source"])
        if not source.exists():
            raise CommandError(f"source: there is no file {source.absolute()}")
        try:
            layer, is_new = register(options["id"], options["source"], options["layer"], text)
        except MarineMapError as error:
            raise CommandError(str(error) + (f"\n{error.hint}" if error.hint else "")) from error
        done = "Added" if is_new else "Read again"
        self.stdout.write(
            f"{done}: {layer.id}, {layer.feature_count:,} features ({layer.geometry_type}), "
            f"{layer.crs[:40]}, version {layer.version}"
        )
