"""``manage.py extract``: the engine from the shell, with a progress bar."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from marinemap.catalogue.models import Layer
from marinemap.errors import MarineMapError, RequestError
from marinemap.extraction import ExtractionRequest, ExtractionResult, SourceLayer, describe, extract


class Command(BaseCommand):
    """Clip a layer to an area and pack it as zipped shapefiles."""

    help = (
        "Clip a layer of the catalogue, or any vector file that GDAL reads, to an area, and pack "
        "it as a zipped shapefile. With a file no database is needed."
    )
    # The checks would open the database, which a file does not need.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("source", help="a layer of the catalogue, or the path of a file")
        parser.add_argument("--layer", help="the layer's name in the file, where it has several")
        parser.add_argument(
            "--area",
            required=True,
            help="a GeoJSON file, or bounds: west,south,east,north in degrees (write "
            "--area=-10,... when the first is negative)",
        )
        parser.add_argument("--crs", help="output CRS such as EPSG:3857; the layer's by default")
        parser.add_argument("--out", type=Path, required=True, help="the zip file to make")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the engine."""
        try:
            result = _extract(options)
        except MarineMapError as error:
            raise CommandError(str(error) + (f"\n{error.hint}" if error.hint else "")) from error
        for layer in result.layers:
            self.stdout.write(f"{layer.name}: {layer.features_written:,} features, {layer.crs}")
            for note in (*result.notes, *layer.notes):
                self.stdout.write(f"  {note}")
        self.stdout.write(f"{result.archive}: {result.size_bytes:,} bytes")


def _extract(options: dict[str, Any]) -> ExtractionResult:
    request = ExtractionRequest(
        layers=[_source(options["source"], options["layer"])],
        area=_read_area(options["area"]),
        destination=_destination(options["out"]),
        crs=options["crs"],
    )
    with tqdm(total=100, unit="%", bar_format="{l_bar}{bar}| {elapsed}") as bar:

        def progress(fraction: float, message: str) -> None:
            bar.set_description(message, refresh=False)
            bar.update(fraction * 100 - bar.n)

        return extract(request, progress=progress)


def _source(source: str, layer: str | None) -> SourceLayer:
    path = Path(source)
    if not path.exists() and not _looks_like_path(source):
        return Layer.objects.get_published(source).to_source()
    dataset = describe(path, layer)
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", dataset.layer).strip("_") or "layer"
    return SourceLayer(name=name, path=path, layer=dataset.layer, title=dataset.layer)


def _looks_like_path(source: str) -> bool:
    return "/" in source or "." in source


def _read_area(text: str) -> Any:
    if text.count(",") == 3 and not Path(text).exists():
        return [_number(part, text) for part in text.split(",")]
    try:
        return json.loads(Path(text).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise RequestError(
            f"cannot read {text}: {error.strerror}; give a GeoJSON file, or four numbers "
            "west,south,east,north",
            field="area",
            value=text,
        ) from error
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{text} is not GeoJSON: {error}", field="area", value=text) from error


def _number(part: str, text: str) -> float:
    try:
        return float(part)
    except ValueError as error:
        raise RequestError(
            f"'{part}' is not a number; bounds are west,south,east,north in degrees",
            field="area",
            value=text,
        ) from error


def _destination(out: Path) -> Path:
    if out.is_dir():
        raise RequestError(f"{out} is a folder; name the zip file", field="out", value=str(out))
    if out.suffix.lower() != ".zip":
        # Also keeps a slip of the finger from replacing the source.
        raise RequestError(f"{out} does not end in .zip", field="out", value=str(out))
    if not out.absolute().parent.is_dir():
        raise RequestError(
            f"there is no folder {out.absolute().parent}; make it first",
            field="out",
            value=str(out),
        )
    return out
