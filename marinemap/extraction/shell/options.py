"""What the engine's command line takes, and the request that it makes."""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from marinemap.errors import DatasetError, RequestError
from marinemap.extraction.formats import FORMATS
from marinemap.extraction.json_objects import each_once
from marinemap.extraction.place import is_address
from marinemap.extraction.reading.describe import describe
from marinemap.extraction.request import ExtractionRequest, SourceLayer


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the arguments to a parser."""
    parser.add_argument("source", help="a layer of the catalogue, or the path of a file")
    parser.add_argument("--layer", help="the layer's name in the file, where it has several")
    parser.add_argument(
        "--area",
        required=True,
        help="a GeoJSON file, or bounds: west,south,east,north in degrees",
    )
    parser.add_argument("--crs", help="output CRS such as EPSG:3857; the layer's by default")
    parser.add_argument("--out", type=Path, help="the zip file to make")
    parser.add_argument("--dry-run", action="store_true", help="only tell what it would give")
    _declare_choices(parser)


def with_bounds_joined(arguments: Sequence[str]) -> list[str]:
    """Return arguments in which bounds that begin with a minus are the value of their option.

    argparse takes them for an option of their own.
    """
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] == "--area" and re.match(r"-[\d.]", argument):
            joined[-1] = f"--area={argument}"
        else:
            joined.append(argument)
    return joined


def _declare_choices(parser: argparse.ArgumentParser) -> None:
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


def is_file(source: str) -> bool:
    """Tell whether a source is a file's path, there or not, rather than a layer's name."""
    return "/" in source or "." in source or Path(source).exists()


def read_file(options: Mapping[str, Any]) -> SourceLayer:
    """Return the layer of the file that is named as the source.

    Raises
    ------
    DatasetError
        If it cannot be read, or holds several layers and none is named.
    """
    if is_address(options["source"]):
        raise DatasetError(
            "a table, or a file on a server, is extracted by the id of its layer in the catalogue",
            field="source",
            hint="Add it first: manage.py addlayer. The catalogue's settings say which servers "
            "may be read.",
        )
    path = Path(options["source"])
    dataset = describe(path, options["layer"])
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", dataset.layer).strip("_") or "layer"
    return SourceLayer(name=name, path=path, layer=dataset.layer, title=dataset.layer)


def to_request(options: Mapping[str, Any], source: SourceLayer) -> ExtractionRequest:
    """Return what is asked for of a layer.

    Raises
    ------
    RequestError
        If an argument cannot be used.
    """
    fields, text = options["fields"], options["filter"]
    chosen = dataclasses.replace(
        source,
        fields=None if fields is None else [name for name in fields.split(",") if name],
        filter=None if text is None else _read_filter(text),
    )
    return ExtractionRequest(
        layers=[chosen],
        area=_read_area(options["area"]),
        destination=_destination(options["out"], options["dry_run"]),
        crs=options["crs"],
        mode=options["mode"],
        format=options["format"],
        full_copy=options["full_copy"],
    )


def _read_filter(text: str) -> str | Mapping[str, Any]:
    """Return CQL2 text as it is, CQL2 JSON as an object."""
    if not text.lstrip().startswith("{"):
        return text
    try:
        read: Mapping[str, Any] = json.loads(text, object_pairs_hook=each_once("filter"))
    except (ValueError, RecursionError) as error:
        raise RequestError(f"not CQL2 JSON: {error}", field="filter", value=text) from error
    return read


def _read_area(text: str) -> Any:
    if text.count(",") == 3 and not Path(text).exists():
        return [_number(part, text) for part in text.split(",")]
    try:
        found = Path(text).read_text(encoding="utf-8-sig")
        return json.loads(found, object_pairs_hook=each_once("area"))
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
