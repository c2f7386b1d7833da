"""Values of a GML that are none of their field's type: GDAL makes some value of any (3.12).

The types are those that GDAL takes from a schema (``.xsd``) or from what was noted of the file
(``.gfs``). Where it has neither it looks at all values itself, and goes wrong by the size of whole
numbers, by days that there are not and by the hour 24 only.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError

from marinemap.errors import DatasetError
from marinemap.extraction.sources.gml_features import MEMBERS
from marinemap.extraction.sources.impossible_days import IMPOSSIBLE_DAY
from marinemap.extraction.sources.mapped import mapped
from marinemap.extraction.sources.source import of_other_type
from marinemap.extraction.sources.typed_texts import is_date, is_real, is_whole
from marinemap.sentences import say

# Of each type, what is looked at no closer; of most files all values are such.
_DAY = rb"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])"
_PLAIN = {
    "int": rb"-?\d{1,9}",
    "long": rb"-?\d{1,18}",
    "double": rb"-?\d+(?:\.\d*)?(?:[eE][-+]?\d{1,2})?",
    "boolean": rb"true|false|[01]",
    "date": _DAY,
    "dateTime": _DAY + rb"T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?",
}
_TYPES = {
    "OFTInteger": "int",
    "OFTInteger64": "long",
    "OFTReal": "double",
    "OFTDate": "date",
    "OFTDateTime": "dateTime",
}
_BITS = {"int": 32, "long": 64}
_SUFFIXES = (".xsd", ".gfs")
_SCHEMA, _LOOKED_AT_BYTES = b"schemaLocation", 4_096
_LARGE = re.compile(rb">\s*[-+]?\d{19,}\s*</|T24:")
# By itself: with the others it takes twice as long.
_IMPOSSIBLE = re.compile(IMPOSSIBLE_DAY + rb"(?=[\s<T])")
_TRUTH = {"true", "false", "1", "0"}
_MOMENT = re.compile(
    r"(?P<day>\d{4}[-/]\d\d?[-/]\d\d?)"
    r"(?P<clock>[T ]([01]?\d|2[0-3]):[0-5]\d(:([0-5]\d|60)(\.\d*)?)?)?\s*(Z|[+-]\d\d(:?\d\d)?)?"
)

Types = Mapping[str, Mapping[str, str]]


def check_values(path: Path, options: Mapping[str, str], name_for_gdal: str) -> None:
    """Refuse a file with a value that is none of the type that GDAL gives its field.

    Raises
    ------
    DatasetError
        With the line, the field and the value.
    """
    if not (_has_schema(path) or _has_any(path, _LARGE) or _has_any(path, _IMPOSSIBLE)):
        return
    try:
        types = _types_of(path, options, name_for_gdal)
    except (DataSourceError, DataLayerError):
        # It is told as it is read.
        return
    odd = _odd_one(types)
    if odd is not None and _has_any(path, odd):
        _Reader(path, types).read()


def _has_schema(path: Path) -> bool:
    if any(path.with_suffix(suffix).exists() for suffix in _SUFFIXES):
        return True
    with path.open("rb") as file:
        return _SCHEMA in file.read(_LOOKED_AT_BYTES)


def _has_any(path: Path, wanted: re.Pattern[bytes]) -> bool:
    with mapped(path) as file:
        # An element that begins in one part and ends in the next may be taken for odd.
        return file is not None and any(
            wanted.search(file.data, begin, end) for begin, end in file.windows(b"<")
        )


def _types_of(path: Path, options: Mapping[str, str], name_for_gdal: str) -> Types:
    found = {}
    with warnings.catch_warnings():
        # That GDAL cannot note beside the file what it found.
        warnings.simplefilter("ignore")
        layers = pyogrio.list_layers(name_for_gdal)
    for layer, _ in layers:
        info = pyogrio.read_info(path, layer=layer, **options)
        told = zip(info["fields"], info["ogr_types"], info["ogr_subtypes"], strict=True)
        found[str(layer)] = {str(name): type_ for name, *of in told if (type_ := _type(*of))}
    return found


def _type(type_: str, subtype: str) -> str:
    return "boolean" if subtype == "OFSTBoolean" else _TYPES.get(type_, "")


def _odd_one(types: Types) -> re.Pattern[bytes] | None:
    """Return what finds an element of a typed field whose text is not a plain one."""
    ways = []
    for type_, plain in _PLAIN.items():
        names = {n for fields in types.values() for n, of in fields.items() if of == type_}
        if names:
            name = rb"|".join(re.escape(each.encode()) for each in sorted(names))
            head = rb"(?:" + name + rb")(?:\s[^<>]*)?(?<!/)>"
            ways.append(head + rb"(?!\s*(?:" + plain + rb")?\s*</)")
    return re.compile(rb"<(?:[\w.-]+:)?(?:" + rb"|".join(ways) + rb")") if ways else None


@dataclass
class _Value:
    name: str
    type_: str
    line: int
    depth: int
    texts: list[str] = field(default_factory=list)
    has_children: bool = False


@dataclass
class _Reader:
    """Looks at the fields of features while their file is parsed."""

    path: Path
    types: Types
    _within: list[str] = field(default_factory=list)
    # The layer of the feature that is open, and how deep it stands.
    _layer: str = ""
    _depth: int = 0
    _value: _Value | None = None

    def read(self) -> None:
        parser = expat.ParserCreate()
        parser.buffer_text = True

        def begin(name: str, attributes: dict[str, str]) -> None:
            self._begin(name.rpartition(":")[2], parser.CurrentLineNumber)

        def see(text: str) -> None:
            if self._value is not None:
                self._value.texts.append(text)

        def end(name: str) -> None:
            self._end()

        parser.StartElementHandler, parser.EndElementHandler = begin, end
        parser.CharacterDataHandler = see
        with self.path.open("rb") as file:
            parser.ParseFile(file)

    def _begin(self, local: str, line: int) -> None:
        if self._value is not None:
            self._value.has_children = True
        elif self._layer and len(self._within) == self._depth:
            if type_ := self.types[self._layer].get(local):
                self._value = _Value(local, type_, line, len(self._within))
        elif not self._layer and local in self.types and self._is_member():
            self._layer, self._depth = local, len(self._within) + 1
        self._within.append(local)

    def _is_member(self) -> bool:
        return bool(self._within) and self._within[-1] in MEMBERS

    def _end(self) -> None:
        self._within.pop()
        value = self._value
        if value is not None and len(self._within) == value.depth:
            self._value = None
            text = "".join(value.texts).strip()
            if text and not value.has_children and not _is_of_type(text, value.type_):
                raise self._refused(value, text)
        elif self._layer and len(self._within) == self._depth - 1:
            self._layer = ""

    def _refused(self, value: _Value, text: str) -> DatasetError:
        hint = say("Mend the value, or take it out; a field of the type string has any text.")
        return of_other_type(self.path, value.line, value.name, text, value.type_, hint)


def _is_of_type(text: str, type_: str) -> bool:
    if type_ in _BITS:
        return is_whole(text, _BITS[type_])
    if type_ == "double":
        return is_real(text)
    if type_ == "boolean":
        return text.lower() in _TRUTH
    found = _MOMENT.fullmatch(text)
    return found is not None and is_date(re.split("[-/]", found["day"]))
