"""The features of a GML as its text has them: which of them GDAL passes over, and in which line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.parsers import expat

import numpy as np

from marinemap.extraction.sources.mapped import mapped

# Their children are features (OGC 07-036, 9.3; GML 2 and application schemas of old).
MEMBERS = ("featureMember", "featureMembers", "member", "members")
_IDS = ("gml:id", "fid")
# GDAL takes such identifiers of one layer, all with one beginning, for numbers.
_NUMBERED = re.compile(r"(.*?)(\d+)", re.DOTALL)
# A sign that no number has, in a list of coordinates: GDAL reads 0 there (3.12). NaN and
# infinities are told of later, with a count.
_ODD_COORDINATES = re.compile(
    rb"<(?:[\w.-]+:)?(?:pos|posList|coordinates)(?:\s[^>]*)?>"
    rb"([-+0-9.eE,\saAnNiIfF]*[^-+0-9.eE,\saAnNiIfF<][^<]{0,40})"
)

Array = np.ndarray[Any, Any]


def passed_over(path: Path, layer: str, read: Array) -> dict[int, str]:
    """Return the features of a layer that GDAL did not give, by the ids they would have.

    Parameters
    ----------
    path : Path
    layer : str
    read : array of int
        The ids of those that it gave.
    """
    found = _Reader(layer).read(path)
    ids = _ids_of([each.name for each in found])
    lines = {id_: each.line for id_, each in zip(ids, found, strict=True)}
    missing = sorted(set(lines) - set(read.tolist()))
    return {id_: f"its geometry in line {lines[id_]:,} is broken" for id_ in missing}


def find_odd_coordinates(path: Path) -> tuple[int, str] | None:
    """Return the line of coordinates that are no numbers, and their text; None where all are."""
    with mapped(path) as file:
        if file is None:
            return None
        line = 1
        for begin, end in file.windows(b"<"):
            found = _ODD_COORDINATES.search(file.data, begin, end)
            if found is not None:
                line += file.data[begin : found.start(1)].count(b"\n")
                return line, found[1].decode(errors="replace").strip()
            line += file.data[begin:end].count(b"\n")
    return None


@dataclass(frozen=True)
class _Feature:
    name: str | None
    line: int


@dataclass
class _Reader:
    """Notes the features of a layer while their file is parsed."""

    layer: str
    found: list[_Feature] = field(default_factory=list)
    _within: list[str] = field(default_factory=list)

    def read(self, path: Path) -> list[_Feature]:
        parser = expat.ParserCreate()

        def begin(name: str, attributes: dict[str, str]) -> None:
            local = name.rpartition(":")[2]
            if local == self.layer and self._within and self._within[-1] in MEMBERS:
                named = next((attributes[each] for each in _IDS if each in attributes), None)
                self.found.append(_Feature(named, parser.CurrentLineNumber))
            self._within.append(local)

        def end(name: str) -> None:
            self._within.pop()

        parser.StartElementHandler, parser.EndElementHandler = begin, end
        with path.open("rb") as file:
            parser.ParseFile(file)
        return self.found


def _ids_of(names: list[str | None]) -> list[int]:
    """Return the ids that GDAL gives features: the numbers of their names, or their places."""
    parts = [_NUMBERED.fullmatch(name) if name else None for name in names]
    if all(parts) and len({part[1] for part in parts if part}) == 1:
        return [int(part[2]) for part in parts if part]
    return list(range(len(names)))
