"""``manage.py addlayer``: put a layer of a vector file into the catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError, CommandParser

from marinemap.catalogue.area_names import index_missing
from marinemap.catalogue.registration import LayerText, register
from marinemap.errors import MarineMapError, UnavailableError, did_you_mean
from marinemap.extraction import counted, place_of


class Command(BaseCommand):
    """Add a layer, or read a known one again."""

    help = (
        "Add a layer to the catalogue, or read a known one again after its data changed. CRS, "
        "bounds, geometry type, fields and count are read from the data."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("id", help="the layer's id, for example reefs; it names files")
        parser.add_argument(
            "source",
            help="path of a vector file; or the address of a table or view of PostGIS: "
            "'postgresql://host:5432/database?table=schema.name', its server one of "
            "MARINEMAP_POSTGIS_SERVERS; or that of a GeoParquet on a server: "
            "https://host/folder/file.parquet, below one of MARINEMAP_SOURCE_PREFIXES",
        )
        parser.add_argument("--layer", help="the layer's name in the file, where it has several")
        parser.add_argument("--title", help="what people see; the id by default")
        parser.add_argument("--description", help="a sentence or two about the data")
        parser.add_argument("--theme", help="the heading under which people find it")
        parser.add_argument("--licence", "--license", dest="licence", help="terms of use")
        parser.add_argument("--attribution", help="whom to name when the data are used")
        parser.add_argument(
            "--group",
            action="append",
            dest="groups",
            help="only members of this group may see it; give it again for another",
        )

        parser.add_argument(
            "--area-names",
            metavar="FIELD",
            help="of a layer of polygons, the field that names them: people can search them and "
            "ask for one as their area; '' for none",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Read the layer and save what it holds."""
        text = LayerText(
            **{n: options[n] for n in ("title", "description", "theme", "licence", "attribution")}
        )
        try:
            source = place_of(options["source"])
            if isinstance(source, Path) and not source.exists():
                raise CommandError(f"source: there is no file {source.absolute()}")
            layer, is_new = register(
                options["id"],
                source,
                options["layer"],
                text,
                _groups(options["groups"]),
                options["area_names"],
            )
            told = list(index_missing())
        except UnavailableError as error:
            # Who may run this may know where the server is, and what it said.
            said = f" ({error.__cause__})" if error.__cause__ else ""
            raise CommandError(f"{error}{said}") from error
        except MarineMapError as error:
            raise CommandError(error.in_full) from error
        done = "Added" if is_new else "Read again"
        self.stdout.write(
            f"{done}: {layer.id}, {counted(layer.feature_count)} ({layer.geometry_type}), "
            f"{layer.crs[:40]}, version {layer.version}"
        )
        for line in told:
            self.stdout.write(f"Indexed {line}")


def _groups(names: list[str] | None) -> list[Group] | None:
    """Return the groups of these names; None where none is named."""
    if names is None:
        return None
    found = {group.name: group for group in Group.objects.filter(name__in=names)}
    for name in names:
        if name not in found:
            known = list(Group.objects.values_list("name", flat=True))
            raise CommandError(
                f"group: there is no group '{name}'; add it at /admin/ first."
                f"{did_you_mean(name, known)}"
            )
    return list(found.values())
