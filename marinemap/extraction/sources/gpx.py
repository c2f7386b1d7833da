"""GPX as a source; GDAL makes 0 of a number that is none, and 1 of ``1,5``."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from xml.parsers import expat

from marinemap.errors import DatasetError, quote
from marinemap.extraction.sources.gpx_values import GpxValues, Lost, with_nulls
from marinemap.extraction.sources.source import SourceFormat, damaged, some_of, state_of
from marinemap.sentences import say

# GPX 1.0 and 1.1: what has a position has it in these two attributes.
_POINTS = ("wpt", "rtept", "trkpt")
_POSITION = ("lat", "lon")
_REMEMBERED = 4


class _OddError(Exception):
    """A position that is none."""


def _check_gpx(path: Path) -> None:
    _lost_of(path)


def _mend_of(path: Path, layer: str) -> Callable[[Any], Any] | None:
    columns = _lost_of(path).misread.get(layer)
    return partial(with_nulls, columns=columns) if columns else None


def _unread(path: Path, layer: str, read: Collection[str]) -> str:
    lost = _lost_of(path)
    if unseen := lost.unseen.get(layer):
        return say(
            "The extensions of points in {file} are not read ({names}): GDAL sees them only where "
            "a track, route or waypoint has some. With an empty <extensions/> before a </trk> they "
            "are read.",
            file=path.name,
            names=_named(unseen),
        )
    if misread := lost.misread.get(layer):
        return say(
            "Of {names} nothing is read, for the elements of these extensions stand in one line; "
            "they are read where each stands in a line of its own, as xmllint --format {file} "
            "writes them.",
            names=_named(misread),
            file=path.name,
        )
    if shortened := lost.shortened.get(layer):
        name, text = next(iter(shortened.items()))
        return say(
            "Of {names} all values are numbers and are read as such: '{text}' of '{name}' comes "
            "without the zeros before it.",
            names=_named(list(shortened)),
            text=quote(text),
            name=quote(name),
        )
    return ""


def _named(columns: Sequence[str]) -> str:
    return some_of([f"'{quote(name)}'" for name in columns])


def _lost_of(path: Path) -> Lost:
    return _lost(path, state_of(path))


@lru_cache(_REMEMBERED)
def _lost(path: Path, state: object) -> Lost:
    """Return what is lost of the extensions.

    Refuse what is not well-formed, where GDAL ends, and what is no number but has to be.
    """
    parser, values = expat.ParserCreate(), GpxValues(path)

    def begin(name: str, attributes: dict[str, str]) -> None:
        _check_element(name, attributes)
        values.begin(name, parser.CurrentLineNumber)

    def end(name: str) -> None:
        values.end()

    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.CharacterDataHandler = values.see_text
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
    return values.lost()


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


SOURCE = SourceFormat((".gpx",), check=_check_gpx, opens_safely=True, mend=_mend_of, unread=_unread)
