"""The CRS of a GML's geometries, where its collection states another one for all.

GDAL takes the one of the collection's envelope then, whatever the geometries say (3.12).
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

import pyproj
from pyproj.exceptions import ProjError

from marinemap.errors import DatasetError, quote
from marinemap.extraction.projection.crs import is_same_crs
from marinemap.extraction.projection.operations import horizontal
from marinemap.extraction.sources.gml_features import MEMBERS
from marinemap.extraction.sources.mapped import mapped
from marinemap.sentences import say

_NAMES = re.compile(rb"""srsName\s*=\s*["']([^"'<]{0,300})["']""")
_OLD_ADDRESS = re.compile(r"^http://www\.opengis\.net/gml/srs/epsg\.xml#(\d+)$")
# PROJ would look for others among the names of all CRS.
_CODE = re.compile("epsg|crs", re.IGNORECASE)
# A file has one or two; each takes a millisecond.
_MOST_NAMES = 100
_BOX = "boundedBy"


def check_one_crs(path: Path) -> None:
    """Refuse geometries in another CRS than the one that is stated for all.

    Raises
    ------
    DatasetError
        With the line of the first, and both names.
    """
    stated = {name: _crs_of(name) for name in sorted(_names_in(path))[:_MOST_NAMES]}
    known = [crs for crs in stated.values() if crs is not None]
    if all(is_same_crs(known[0], crs) for crs in known[1:]):
        return
    found = _Reader(stated).read(path)
    if found is None:
        return
    line, name, of_all = found
    raise DatasetError(
        say(
            "line {line:,} of {file} has a geometry in '{name}', where '{of_all}' is stated for "
            "all",
            line=line,
            file=path.name,
            name=quote(name),
            of_all=quote(of_all),
        ),
        field="crs",
        value=name,
        hint=say("Bring all to one CRS, or mend the srsName of the Envelope in boundedBy."),
    )


def _names_in(path: Path) -> set[str]:
    with mapped(path) as file:
        if file is None:
            return set()
        windows = list(file.windows(b"<"))
        found = {
            name[1] for begin, end in windows for name in _NAMES.finditer(file.data, begin, end)
        }
    return {name.decode(errors="replace") for name in found}


def _crs_of(name: str) -> pyproj.CRS | None:
    """Return the horizontal CRS that a name stands for; None for one that is not known."""
    if _CODE.search(name) is None:
        return None
    with suppress(ProjError):
        return horizontal(pyproj.CRS.from_user_input(_OLD_ADDRESS.sub(r"EPSG:\1", name)))
    return None


@dataclass
class _Reader:
    """Looks for the first geometry that is not in the CRS of all, while a file is parsed."""

    stated: dict[str, pyproj.CRS | None]
    _within: list[str] = field(default_factory=list)
    _of_all: str = ""

    def read(self, path: Path) -> tuple[int, str, str] | None:
        """Return its line, its name of a CRS, and that of all; None where there is none."""
        parser = expat.ParserCreate()
        found: list[tuple[int, str, str]] = []

        def begin(name: str, attributes: dict[str, str]) -> None:
            stated = attributes.get("srsName", "")
            if stated and not found and self._is_odd(stated):
                found.append((parser.CurrentLineNumber, stated, self._of_all))
            self._within.append(name.rpartition(":")[2])

        def end(name: str) -> None:
            self._within.pop()

        parser.StartElementHandler, parser.EndElementHandler = begin, end
        with path.open("rb") as file:
            parser.ParseFile(file)
        return found[0] if found else None

    def _is_odd(self, name: str) -> bool:
        is_of_member = any(each in MEMBERS for each in self._within)
        if _BOX in self._within:
            self._of_all = self._of_all if is_of_member else name
            return False
        own, of_all = self.stated.get(name), self.stated.get(self._of_all)
        return own is not None and of_all is not None and not is_same_crs(own, of_all)
