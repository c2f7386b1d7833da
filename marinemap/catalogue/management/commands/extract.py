"""``manage.py extract``: the engine from the shell, with a progress bar or as a dry run."""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from marinemap.catalogue.models import Layer
from marinemap.catalogue.viewers import OPERATOR
from marinemap.errors import MarineMapError, RequestError
from marinemap.extraction import (
    FORMATS,
    ExtractionRequest,
    ExtractionResult,
    LayerEstimate,
    SourceLayer,
    describe,
    estimate,
    extract,
)


class Command(BaseCommand):
    """Clip a layer to an area and pack it as zipped files."""

    help = (
        "Clip a layer of the catalogue, or any vector file that GDAL reads, to an area, and pack "
        "it in a zip, as a shapefile or in another format. With a file no database is needed."
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
        parser.add_argument("--out", type=Path, help="the zip file to make")
        parser.add_argument("--dry-run", action="store_true", help="only tell what it would give")
        _add_choices(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the engine, or tell what it would give."""
        try:
            request = _request(options)
            if options["dry_run"]:
                self._tell_estimates(estimate(request))
            else:
                self._tell_result(_extract(request))
        except MarineMapError as error:
            raise CommandError(str(error) + (f"\n{error.hint}" if error.hint else "")) from error

    def _tell_estimates(self, layers: tuple[LayerEstimate, ...]) -> None:
        for layer in layers:
            self.stdout.write(
                f"{layer.name}: {_count_words(layer)}, about {layer.size_bytes:,} bytes "
                "before zipping"
            )
            for warning in layer.warnings:
                self.stdout.write(f"  {warning}")

    def _tell_result(self, result: ExtractionResult) -> None:
        for layer in result.layers:
            self.stdout.write(f"{layer.name}: {layer.features_written:,} features, {layer.crs}")
            for note in (*result.notes, *layer.notes):
                self.stdout.write(f"  {note}")
        self.stdout.write(f"{result.archive}: {result.size_bytes:,} bytes")


def _add_choices(parser: CommandParser) -> None:
    parser.add_argument(
        "--mode",
        default="clip",
        help="clip (default) cuts features at the edge of the area; intersects keeps whole those "
        "that touch it; within those that lie in it",
    )
    parser.add_argument(
        "--format", default="shapefile", help=f"{', '.join(FORMATS)}; shapefile by default"
    )
    parser.add_argument(
        "--fields", metavar="NAME,...", help="the fields to keep; all by default, '' for none"
    )
    parser.add_argument(
        "--filter",
        metavar="CQL2",
        help='only features whose fields match, such as "depth > 20"; CQL2 text or JSON',
    )
    parser.add_argument(
        "--full-copy",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="whether to add a GeoPackage with everything where the format loses something",
    )


def _request(options: dict[str, Any]) -> ExtractionRequest:
    return ExtractionRequest(
        layers=[_source(options)],
        area=_read_area(options["area"]),
        destination=_destination(options["out"], options["dry_run"]),
        crs=options["crs"],
        mode=options["mode"],
        format=options["format"],
        full_copy=options["full_copy"],
    )


def _extract(request: ExtractionRequest) -> ExtractionResult:
    with tqdm(total=100, unit="%", bar_format="{l_bar}{bar}| {elapsed}") as bar:

        def progress(fraction: float, message: str) -> None:
            bar.set_description(message, refresh=False)
            bar.update(fraction * 100 - bar.n)

        return extract(request, progress=progress)


def _count_words(layer: LayerEstimate) -> str:
    if layer.is_exact:
        return f"{layer.features:,} features"
    between = f"{layer.features_at_least:,} to {layer.features_at_most:,}"
    return f"about {layer.features:,} features ({between})"


def _source(options: dict[str, Any]) -> SourceLayer:
    fields, text = options["fields"], options["filter"]
    return dataclasses.replace(
        _found_source(options["source"], options["layer"]),
        fields=None if fields is None else [name for name in fields.split(",") if name],
        filter=None if text is None else _read_filter(text),
    )


def _found_source(source: str, layer: str | None) -> SourceLayer:
    path = Path(source)
    if not path.exists() and not _looks_like_path(source):
        return Layer.objects.get_visible(source, OPERATOR).to_source()
    dataset = describe(path, layer)
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", dataset.layer).strip("_") or "layer"
    return SourceLayer(name=name, path=path, layer=dataset.layer, title=dataset.layer)


def _read_filter(text: str) -> str | Mapping[str, Any]:
    """Return CQL2 text as it is, CQL2 JSON as an object."""
    if not text.lstrip().startswith("{"):
        return text
    try:
        read: Mapping[str, Any] = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"not CQL2 JSON: {error}", field="filter", value=text) from error
    return read


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


def _destination(out: Path | None, is_dry_run: bool) -> Path | None:
    if is_dry_run:
        return None
    if out is None:
        raise RequestError(
            "name the zip file to make with --out, or ask for a --dry-run", field="out"
        )
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
