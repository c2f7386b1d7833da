"""GeoJSON as a source; GDAL itself refuses what is no JSON to its end."""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyproj
from pyproj.exceptions import CRSError

from marinemap.errors import DatasetError, quote
from marinemap.extraction.sources.json_ids import unread_ids
from marinemap.extraction.sources.json_numbers import with_short_numbers
from marinemap.extraction.sources.json_values import KEPT, as_texts, check_values
from marinemap.extraction.sources.mapped import mapped
from marinemap.extraction.sources.source import SourceFormat
from marinemap.sentences import say


def _in_any_letters(word: str) -> str:
    """Return a pattern of a word as JSON may write it: GDAL takes capitals for small letters."""
    return "".join(rf"(?:{c}|\\u00{ord(c):02x}|\\u00{ord(c.upper()):02x})" for c in word)


_CRS = re.compile(rf'"{_in_any_letters("crs")}"'.encode(), re.IGNORECASE)
_OBJECT = re.compile(rb"\s*:\s*(?=\{)")
# One that is longer is none.
_MOST_BYTES = 1 << 16
# GDAL tells them by how they begin.
_LINKS = ("link", "url")


def _look(path: Path) -> None:
    """Refuse a CRS of GeoJSON of 2008 (3.2) that GDAL would ask a server for, or pass over."""
    with mapped(path) as file:
        if file is None:
            return
        # A member's name may hold no quotation mark, so that none lies on an edge.
        for begin, end in file.windows(b'"'):
            for place in _places_of_crs(file.data, begin, end + 1):
                members = _members(file.data[place : place + _MOST_BYTES])
                if members is None or _is_link(members):
                    raise _linked(path)
                if not _is_known(members):
                    raise _unknown(path, members)


def _linked(path: Path) -> DatasetError:
    return DatasetError(
        say(
            "the CRS of {name} is a link to a description elsewhere, which nobody follows",
            name=path.name,
        ),
        field="crs",
        value=path.name,
        hint=say(
            "Name the CRS in the file, or bring the data to degrees (RFC 7946), for instance by "
            "ogr2ogr -t_srs EPSG:4326."
        ),
    )


def _places_of_crs(data: mmap.mmap, begin: int, end: int) -> Iterator[int]:
    for name in _CRS.finditer(data, begin, end):
        if found := _OBJECT.match(data, name.end()):
            yield found.end()


def _members(text: bytes) -> dict[str, Any] | None:
    """Return the members of the object at the beginning of a text; None where nobody can tell.

    Of one that is there twice both count, as one that is a list.
    """
    decoder = json.JSONDecoder(object_pairs_hook=_by_small_names)
    try:
        members, _ = decoder.raw_decode(text.decode(errors="replace"))
    except (ValueError, RecursionError):
        return None
    return dict(members)


def _by_small_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        small = name.lower()
        found[small] = [found[small], value] if small in found else value
    return found


def _is_link(members: dict[str, Any]) -> bool:
    stated = members.get("type")
    types = stated if isinstance(stated, list) else [stated]
    return any(isinstance(each, str) and each.lower().startswith(_LINKS) for each in types)


def _is_known(members: dict[str, Any]) -> bool:
    """Tell whether a CRS is named that there is: of others GDAL says WGS 84."""
    stated = _named(members)
    for text in (stated, f"EPSG:{stated}", f"OGC:{stated}"):
        try:
            pyproj.CRS.from_user_input(text)
        except CRSError:
            continue
        return True
    return False


def _named(members: dict[str, Any]) -> str:
    properties = members.get("properties")
    if not isinstance(properties, dict):
        return ""
    return str(properties.get("name") or properties.get("code") or "")


def _unknown(path: Path, members: dict[str, Any]) -> DatasetError:
    return DatasetError(
        say(
            "{name} states the CRS '{stated}', which there is not",
            name=path.name,
            stated=quote(_named(members)),
        ),
        field="crs",
        value=path.name,
        hint=say(
            "Name one that there is (urn:ogc:def:crs:EPSG::3035), or bring the data to degrees "
            "(RFC 7946) and leave it out."
        ),
    )


SOURCE = SourceFormat(
    (".geojson", ".json"),
    look=_look,
    check=lambda path: check_values(path, KEPT),
    unread=unread_ids,
    options=as_texts,
    mend=lambda path, layer: with_short_numbers,
    opens_safely=True,
)
