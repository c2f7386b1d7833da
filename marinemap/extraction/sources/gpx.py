"""GPX as a source; GDAL makes 0 of a latitude that is no number, and 1 of ``1,5``."""

from __future__ import annotations

import math
from pathlib import Path
from xml.parsers import expat

from marinemap.errors import DatasetError, quote
from marinemap.extraction.sources.source import SourceFormat, damaged
from marinemap.sentences import say

# GPX 1.0 and 1.1: what has a position has it in these two attributes.
_POINTS = ("wpt", "rtept", "trkpt")
_POSITION = ("lat", "lon")


class _OddError(Exception):
    """A position that is none."""


def _check_gpx(path: Path) -> None:
    """Refuse what is not well-formed, where GDAL ends, and positions that are no numbers."""
    parser = expat.ParserCreate()
    parser.StartElementHandler = _check_element
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    except expat.ExpatError as error:
        raise damaged(path, say("is not well-formed XML: {error}", error=error)) from error
    except _OddError as error:
        raise DatasetError(
            say(
                "line {line:,} of {name} has a position that is none: {shown}",
                line=parser.CurrentLineNumber,
                name=path.name,
                shown=quote(str(error)),
            ),
            field="source",
            value=path.name,
            hint=say("Write lat and lon as plain numbers (24.75), or take that point out."),
        ) from error


def _check_element(name: str, attributes: dict[str, str]) -> None:
    if name.rpartition(":")[2] not in _POINTS:
        return
    found = [attributes.get(each, "") for each in _POSITION]
    if not all(map(_is_number, found)):
        raise _OddError(" ".join(f'{n}="{v}"' for n, v in zip(_POSITION, found, strict=True)))


def _is_number(text: str) -> bool:
    try:
        # Python's own numbers may have underscores.
        return math.isfinite(float(text)) and "_" not in text
    except ValueError:
        return False


SOURCE = SourceFormat((".gpx",), check=_check_gpx, opens_safely=True)
