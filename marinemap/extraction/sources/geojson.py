"""GeoJSON as a source; GDAL itself refuses what is no JSON to its end."""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Iterator
from pathlib import Path

from marinemap.errors import DatasetError
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


def _refuse_links(path: Path) -> None:
    """A CRS of GeoJSON of 2008 (3.2) may be a link: GDAL asks its server at each opening."""
    with mapped(path) as file:
        # A member's name may hold no quotation mark, so that none lies on an edge.
        if file is None or not any(
            _is_link(file.data[place : place + _MOST_BYTES])
            for begin, end in file.windows(b'"')
            for place in _places_of_crs(file.data, begin, end + 1)
        ):
            return
    raise DatasetError(
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


def _is_link(text: bytes) -> bool:
    """Tell whether the object at the beginning of a text is a link, or nobody can tell."""
    decoder = json.JSONDecoder(object_pairs_hook=list)
    try:
        members, _ = decoder.raw_decode(text.decode(errors="replace"))
    except (ValueError, RecursionError):
        return True
    types = (value for name, value in members if name.lower() == "type")
    return any(isinstance(each, str) and each.lower().startswith(_LINKS) for each in types)


SOURCE = SourceFormat((".geojson", ".json"), look=_refuse_links, opens_safely=True)
