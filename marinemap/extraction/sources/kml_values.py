"""Values in a KML that GDAL gives as others, without a word (LIBKML, 3.12).

Of an empty number it makes 0, of an empty truth value false, of a year alone nothing, and of a ring
that is no polygon's no geometry: these are put right. What is no value of its type is refused.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyogrio
import shapely

from marinemap.errors import DatasetError
from marinemap.extraction.sources.kml_types import (
    PLAIN,
    PLAIN_MOMENT,
    is_moment,
    is_of_type,
    is_year,
)
from marinemap.extraction.sources.mapped import Mapped, mapped
from marinemap.extraction.sources.source import of_other_type, state_of
from marinemap.sentences import say

_REMEMBERED = 4
_TEXT = rb"(?:<!\[CDATA\[.*?\]\]>|[^<])*"
_REST = rb"(?:[^>\"']|\"[^\"]*\"|'[^']*')*"
_SCHEMA_FIELD = re.compile(rb"<(?:[\w.-]+:)?SimpleField\b(" + _REST + rb")>")
_ATTRIBUTE = re.compile(rb"([\w.:-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_CORNERS = re.compile(rb"<(?:[\w.-]+:)?coordinates\s*>([^<]*)")
_CDATA = re.compile(rb"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
# GDAL has fields of its own; a schema's of such a name has another.
_OWN_FIELDS = {
    *("id", "name", "description", "timestamp", "begin", "end", "altitudemode", "tessellate"),
    *("extrude", "visibility", "draworder", "icon"),
}
# How Arrow marks the column of geometries.
_EXTENSION, _GEOMETRY = b"ARROW:extension:name", b"wkb"
_MOMENT_FIELDS = {"when": "timestamp", "begin": "begin", "end": "end"}

Mend = Callable[[Any], Any]


@dataclass
class _Layer:
    """What is to be put right in a layer: by fields, the places of features, from 1 on."""

    features: int = 0
    nulls: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    years: dict[str, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    rings: dict[int, bytes] = field(default_factory=dict)

    @property
    def is_sound(self) -> bool:
        return not (self.nulls or self.years or self.rings)

    def mended(self, batch: Any) -> Any:
        ids, columns = np.asarray(batch.column(0)), list(batch.columns)
        for at, each in enumerate(batch.schema):
            if places := self.nulls.get(each.name):
                columns[at] = _with(columns[at], ids, dict.fromkeys(places))
            if years := self.years.get(each.name):
                columns[at] = _with(columns[at], ids, _first_moments(years, columns[at].type))
            if self.rings and _GEOMETRY in (each.metadata or {}).get(_EXTENSION, b""):
                columns[at] = _with(columns[at], ids, self.rings)
        return type(batch).from_arrays(columns, schema=batch.schema)


def check_values(path: Path) -> None:
    """Refuse a file with a value that is none of its type.

    Raises
    ------
    DatasetError
        With the line, the field and the value.
    """
    _layers(path, state_of(path))


def mend_of(path: Path, layer: str) -> Mend | None:
    """Return what puts right features of a layer, which have their ids in the first column."""
    layers = _layers(path, state_of(path))
    if all(each.is_sound for each in layers):
        return None
    found = _layer_named(path, layer, layers)
    return None if found.is_sound else found.mended


def _layer_named(path: Path, name: str, layers: tuple[_Layer, ...]) -> _Layer:
    """Return a layer by its name; GDAL lists all in their order, but for an empty first one."""
    some = [each for each in layers if each.features]
    if len(some) == 1:
        return some[0]
    names = [str(each) for each, _ in pyogrio.list_layers(path)]
    listed = layers[len(layers) - len(names) :]
    if len(names) > len(layers) or any(each.features for each in layers[: -len(names)]):
        raise DatasetError(
            say("the folders of {name} are not the layers that it gives", name=path.name),
            field="source",
            value=path.name,
            hint=say("Write each folder into a file of its own."),
        )
    return listed[names.index(name)]


@lru_cache(_REMEMBERED)
def _layers(path: Path, state: object) -> tuple[_Layer, ...]:
    with mapped(path) as file:
        return () if file is None else _Reader(path, file, _typed_fields(file)).read()


def _typed_fields(file: Mapped) -> dict[bytes, str]:
    """Return the types of fields, by their names as they stand there; the first counts."""
    types: dict[bytes, str] = {}
    for found in _SCHEMA_FIELD.finditer(file.data):
        told = {each[1]: each[2] or each[3] or b"" for each in _ATTRIBUTE.finditer(found[1])}
        types.setdefault(told.get(b"name", b""), told.get(b"type", b"").decode("latin-1"))
    return {name: type_ for name, type_ in types.items() if type_ in PLAIN}


def _tokens(types: dict[bytes, str]) -> re.Pattern[bytes]:
    """Return what finds folders, features, and values that are not plain ones."""
    some = {each: [re.escape(n) for n, t in types.items() if t == each] for each in PLAIN}
    plain = rb"|".join(
        rb"(?:" + rb"|".join(names) + rb")[\"']\s*>" + PLAIN[each]
        for each, names in some.items()
        if names
    )
    fields = rb"|".join(map(re.escape, types)) or rb"(?!)"
    return re.compile(
        rb"<(?:!--.*?-->|!\[CDATA\[.*?\]\]>|(?!gx:)(?:[\w.-]+:)?(?=[webSoiLPGFDM])(?:"
        rb"(?P<clock>when|begin|end)\s*>(?!" + PLAIN_MOMENT + rb"<)(?P<moment>" + _TEXT + rb")|"
        rb"SimpleData\s+name\s*=\s*[\"'](?!(?:" + (plain or rb"(?!)") + rb")</)"
        rb"(?P<field>" + fields + rb")[\"']\s*(?:/>|>(?P<value>" + _TEXT + rb"))|"
        rb"(?:outer|inner)BoundaryIs\s*>\s*<(?:[\w.-]+:)?LinearRing\b|"
        rb"(?P<ring>LinearRing)\b[^>/]*>|"
        rb"(?P<feature>Placemark|GroundOverlay)\b[^>]*>|"
        rb"(?P<container>Folder|Document)\b[^>]*>|"
        rb"(?P<multi>MultiGeometry)\b[^>]*>)|"
        rb"/(?:[\w.-]+:)?(?P<end>Folder|Document|Placemark|GroundOverlay|MultiGeometry)\s*>|"
        rb"gx:(?:Track|TimeStamp|TimeSpan)\b[^>/]*>.*?</gx:(?:Track|TimeStamp|TimeSpan)\s*>)",
        re.DOTALL,
    )


@dataclass
class _Reader:
    """Goes through a file from one folder, feature or odd value to the next."""

    path: Path
    file: Mapped
    types: dict[bytes, str]
    _layers: list[_Layer] = field(default_factory=list)
    _open: list[_Layer] = field(default_factory=list)
    _is_in_feature: bool = False
    _multis: int = 0

    def read(self) -> tuple[_Layer, ...]:
        for found in _tokens(self.types).finditer(self.file.data):
            if found.lastgroup is not None:
                self._see(found)
                self.file.let_go(found.start())
        return tuple(self._layers)

    def _see(self, found: re.Match[bytes]) -> None:
        is_empty = found[0].endswith(b"/>")
        if found["feature"]:
            if not self._open:
                # One in no folder is a layer.
                self._begin_layer()
            self._open[-1].features += 1
            self._is_in_feature, self._multis = not is_empty, 0
        elif found["container"]:
            self._begin_layer()
            if is_empty:
                self._open.pop()
        elif found["multi"]:
            self._multis += not is_empty
        elif found["end"]:
            self._see_end(found["end"])
        elif self._is_in_feature:
            self._see_in_feature(found)

    def _begin_layer(self) -> None:
        self._layers.append(_Layer())
        self._open.append(self._layers[-1])

    def _see_end(self, name: bytes) -> None:
        if name in (b"Folder", b"Document"):
            self._open.pop()
        elif name == b"MultiGeometry":
            self._multis -= 1
        else:
            self._is_in_feature = False

    def _see_in_feature(self, found: re.Match[bytes]) -> None:
        layer = self._open[-1]
        if found["field"]:
            self._see_value(layer, found)
        elif found["clock"]:
            self._see_moment(layer, found)
        elif found["ring"] and not self._multis:
            end = self.file.data.find(b"LinearRing", found.end())
            corners = _CORNERS.search(self.file.data, found.end(), end)
            if ring := _line(corners[1] if corners else b""):
                layer.rings[layer.features] = ring

    def _see_value(self, layer: _Layer, found: re.Match[bytes]) -> None:
        name, text = _plain(found["field"]), _plain(found["value"] or b"")
        type_ = self.types[found["field"]]
        if not text:
            layer.nulls[name + "2" * (name.lower() in _OWN_FIELDS)].append(layer.features)
        elif not is_of_type(text, type_):
            raise self._odd(found, name, text, type_)

    def _see_moment(self, layer: _Layer, found: re.Match[bytes]) -> None:
        name, text = found["clock"].decode(), _plain(found["moment"])
        if is_year(text):
            layer.years[_MOMENT_FIELDS[name]][layer.features] = text
        elif text and not is_moment(text):
            raise self._odd(found, name, text, "dateTime")

    def _odd(self, found: re.Match[bytes], name: str, text: str, type_: str) -> DatasetError:
        line = 1 + self.file.data[: found.start()].count(b"\n")
        hint = say("Mend the value, or take it out; a field of the type string has any text.")
        return of_other_type(self.path, line, name, text, type_, hint)


def _plain(text: bytes) -> str:
    """Return what is meant by a text of XML, as GDAL takes it: without blanks around it."""
    shown = text if b"<" not in text else _CDATA.sub(rb"\1", text)
    return unescape(shown.decode(errors="replace")).strip()


def _line(corners: bytes) -> bytes:
    """Return a closed line as WKB; nothing where the coordinates are none."""
    try:
        positions = [tuple(map(float, each.split(b","))) for each in corners.split()]
        return bytes(shapely.to_wkb(shapely.LineString(positions), flavor="iso"))
    except (ValueError, shapely.errors.GEOSException):
        return b""


def _with(column: Any, ids: Any, values: Mapping[int, Any]) -> Any:
    """Return a column with values in the rows of some ids."""
    rows = np.isin(ids, np.fromiter(values, np.int64))
    if not rows.any():
        return column
    wanted = pa.array([values[id_] for id_ in ids[rows].tolist()], column.type)
    return pc.replace_with_mask(column, pa.array(rows), wanted)


def _first_moments(years: Mapping[int, str], type_: Any) -> dict[int, Any]:
    firsts = {place: datetime(int(year), 1, 1) for place, year in years.items()}
    if pa.types.is_timestamp(type_):
        return firsts
    return {place: first.isoformat() for place, first in firsts.items()}
