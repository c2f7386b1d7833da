"""Values of a GPX as its text has them; GDAL makes some number of any (3.12).

It also takes the text within the elements of an extension for its type, and then the elements for
its value: of ``<x:hr>100</x:hr>`` it makes a whole number, which is 0. And it gives no extension of
a point of a track or route where no waypoint, route or track has any.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyogrio

from marinemap.errors import DatasetError
from marinemap.extraction.sources.source import of_other_type
from marinemap.extraction.sources.typed_texts import is_real, is_whole
from marinemap.sentences import say

# GPX 1.0 and 1.1: the layers that GDAL makes of elements, and their numbers.
_LAYERS = {
    "wpt": "waypoints",
    "rtept": "route_points",
    "trkpt": "track_points",
    "rte": "routes",
    "trk": "tracks",
}
_WHOLE, _REAL = "int", "double"
_NUMBERS = {
    **dict.fromkeys(("sat", "dgpsid", "number"), _WHOLE),
    **dict.fromkeys(("ele", "magvar", "geoidheight", "hdop", "vdop", "pdop"), _REAL),
    **dict.fromkeys(("ageofdgpsdata", "speed", "course"), _REAL),
}
_BITS = 32
# Of gpx, wpt and extensions.
_SEEN_DEPTH = 3
_TYPES = {"OFTInteger": _WHOLE, "OFTReal": _REAL}
# What a number does not keep, of a code such as 007.
_ZEROS = re.compile(r"[+-]?0\d+")


@dataclass(frozen=True)
class _Odd:
    """A text that is no number, and its line; of elements there is none."""

    line: int
    text: str


@dataclass
class _Value:
    """An element whose text is looked at, as deep as it stands."""

    depth: int
    column: str
    # None of an extension, whose type GDAL tells.
    type_: str | None
    line: int
    texts: list[str] = field(default_factory=list)
    has_children: bool = False


@dataclass(frozen=True)
class Lost:
    """What of the extensions of a file is lost: by layers, the columns that GDAL would make.

    ``unseen`` are those that it does not give, ``misread`` those of which it makes numbers though
    they are elements. ``shortened`` are those of which it makes numbers though some begin with
    zeros, with the first of these.
    """

    unseen: Mapping[str, tuple[str, ...]]
    misread: Mapping[str, tuple[str, ...]]
    shortened: Mapping[str, Mapping[str, str]]


@dataclass
class GpxValues:
    """Looks at the numbers of a GPX while its elements begin and end."""

    path: Path
    _extensions: dict[str, dict[str, None]] = field(default_factory=dict)
    _are_seen: bool = False
    _within: list[str] = field(default_factory=list)
    _value: _Value | None = None
    # The first value of each column of an extension that is none of a type.
    _odd: dict[tuple[str, str], dict[str, _Odd]] = field(default_factory=dict)
    # By layers, the first value of each such column that begins with zeros.
    _zeros: dict[str, dict[str, str]] = field(default_factory=dict)

    def begin(self, name: str, line: int) -> None:
        """See an element begin."""
        self._within.append(name.rpartition(":")[2])
        if self._value is not None:
            self._value.has_children = True
            return
        *_, outer, parent, local = ["", "", *self._within]
        if parent in _LAYERS and local in _NUMBERS:
            self._value = _Value(len(self._within), local, _NUMBERS[local], line)
        elif parent == "extensions" and outer in _LAYERS:
            column = name.replace(":", "_")
            self._extensions.setdefault(_LAYERS[outer], {})[column] = None
            self._value = _Value(len(self._within), column, None, line)
        elif local == "extensions" and len(self._within) == _SEEN_DEPTH:
            self._are_seen = True

    def see_text(self, text: str) -> None:
        """See a text, or a part of it."""
        if self._value is not None:
            self._value.texts.append(text)

    def end(self) -> None:
        """See an element end.

        Raises
        ------
        DatasetError
            If its text is no number where GPX has one.
        """
        value = self._value
        if value is not None and value.depth == len(self._within):
            self._value = None
            self._see(value)
        self._within.pop()

    def lost(self) -> Lost:
        """Return what is lost of the extensions.

        Raises
        ------
        DatasetError
            If a text is no number in a column of which GDAL makes numbers.
        """
        if not self._are_seen:
            return Lost({layer: tuple(each) for layer, each in self._extensions.items()}, {}, {})
        found: dict[str, tuple[str, ...]] = {}
        for layer in sorted({layer for layer, _ in self._odd}):
            types = _types_of(self.path, layer)
            for (of_layer, column), odd in self._odd.items():
                first = odd.get(types.get(column, "")) if of_layer == layer else None
                if first is not None and first.text:
                    raise self._refused(first, column, types[column])
                if first is not None:
                    found[layer] = (*found.get(layer, ()), column)
        return Lost({}, found, {layer: self._shortened(layer) for layer in self._zeros})

    def _shortened(self, layer: str) -> dict[str, str]:
        types = _types_of(self.path, layer)
        return {name: text for name, text in self._zeros[layer].items() if types.get(name)}

    def _see(self, value: _Value) -> None:
        text = "" if value.has_children else "".join(value.texts).strip()
        if not text and not value.has_children:
            return
        odd = [type_ for type_ in (_WHOLE, _REAL) if not _is(text, type_)]
        if value.type_ in odd:
            raise self._refused(_Odd(value.line, text), value.column, value.type_)
        if value.type_ is None and odd:
            firsts = self._odd.setdefault((_LAYERS[self._within[-3]], value.column), {})
            for type_ in odd:
                firsts.setdefault(type_, _Odd(value.line, text))
        if value.type_ is None and _ZEROS.fullmatch(text):
            self._zeros.setdefault(_LAYERS[self._within[-3]], {}).setdefault(value.column, text)

    def _refused(self, odd: _Odd, name: str, type_: str) -> DatasetError:
        hint = say("Mend the value, or take it out.")
        return of_other_type(self.path, odd.line, name, odd.text, type_, hint)


def with_nulls(batch: Any, columns: Collection[str]) -> Any:
    """Return features, a batch or table of Arrow, without the values of some columns."""
    nulls = [
        pa.nulls(batch.num_rows, each.type) if each.name in columns else column
        for each, column in zip(batch.schema, batch.columns, strict=True)
    ]
    return type(batch).from_arrays(nulls, schema=batch.schema)


def _is(text: str, type_: str) -> bool:
    return is_whole(text, _BITS) if type_ == _WHOLE else is_real(text)


def _types_of(path: Path, layer: str) -> Mapping[str, str]:
    info = pyogrio.read_info(path, layer=layer)
    pairs = zip(info["fields"].tolist(), info["ogr_types"], strict=True)
    return {name: _TYPES.get(type_, "") for name, type_ in pairs}
