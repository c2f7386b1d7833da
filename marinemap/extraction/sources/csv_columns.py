"""Which columns of a CSV hold its geometries: those that a ``.csvt`` states, or by their names."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from marinemap.extraction.sources.csv_types import typed_columns
from marinemap.extraction.sources.source import PointColumns
from marinemap.extraction.sources.typed_texts import Column

# A cell of a CSV may be the outline of a coast.
LONGEST_CELL = 1 << 30
# Of the beginning of a file: its header, and rows that show what is in a column.
_HEAD_BYTES = 1 << 20
_ROWS_LOOKED_AT = 100
# In capitals or not, without what is between brackets, blanks and signs; in the order of choice.
_DEGREES = (
    ("longitude", "latitude"),
    ("lon", "lat"),
    ("long", "lat"),
    ("lng", "lat"),
    ("decimallongitude", "decimallatitude"),
)
_OTHERS = (
    ("x", "y"),
    ("xcoord", "ycoord"),
    ("coordx", "coordy"),
    ("xcoordinate", "ycoordinate"),
    ("pointx", "pointy"),
    ("easting", "northing"),
)
_WKT = "wkt"
_GEOMETRIES = (
    *("geom", "geometry", "thegeom", "wkbgeometry", "geomwkt", "wktgeom", "geometrywkt"),
    *("wktgeometry", "geojson", "shape"),
)
# Well-known text, PostGIS' own, WKB in hexadecimal digits, GeoJSON.
_GEOMETRY = re.compile(
    r"\s*(?:SRID=\d+;|(?:MULTI)?(?:POINT|LINESTRING|POLYGON|CURVE|SURFACE)\b|GEOMETRYCOLLECTION\b|"
    r'(?:00|01)[0-9A-F]{16}|\{\s*")',
    re.IGNORECASE,
)
_SEPARATORS = {",": "COMMA", ";": "SEMICOLON", "\t": "TAB", "|": "PIPE"}
_BRACKETS = re.compile(r"\(.*?\)|\[.*?\]")
_SIGNS = re.compile(r"[\s_.-]+")
# GDAL takes these in the names of columns for signs of its own.
_NOT_ASKED_FOR = re.compile(r'[,*"]')


@dataclass(frozen=True)
class CsvColumns:
    """Where the geometries are: in two columns of numbers, in one of texts, or where GDAL says.

    ``types`` are the columns of stated types that hold no positions; ``texts`` is the place of the
    one with geometries as texts. ``keeps_columns`` where those of the geometries are fields too.
    """

    separator: str
    types: tuple[Column, ...] = ()
    points: PointColumns | None = None
    geometry: str | None = None
    keeps_columns: bool = False
    texts: int | None = None

    @property
    def options(self) -> dict[str, str]:
        """What GDAL is told.

        The text of a geometry is left out of the fields: the feature has it, cut and moved.
        Columns of positions stay, which are data of their own.
        """
        told = {"SEPARATOR": _SEPARATORS[self.separator]}
        if not self.keeps_columns:
            told["KEEP_GEOM_COLUMNS"] = "NO"
        return told if self.geometry is None else {**told, "GEOM_POSSIBLE_NAMES": self.geometry}


def find_columns(path: Path) -> CsvColumns:
    """Return where a CSV has its geometries; looks at its beginning only."""
    with path.open("rb") as file:
        text = file.read(_HEAD_BYTES).decode("utf-8-sig", errors="replace")
    separator = separator_in(text)
    rows = _rows(text, separator)
    names = [name.strip() for name in next(rows, [])]
    types = _stated_types(path)
    found = _geometries(names, types, list(itertools.islice(rows, _ROWS_LOOKED_AT)), separator)
    positions = (found.points.x, found.points.y) if found.points else ()
    typed = (each for each in typed_columns(names, types) if each.name not in positions)
    return replace(found, types=tuple(typed))


def _geometries(
    names: Sequence[str], types: Sequence[str], rows: Sequence[Sequence[str]], separator: str
) -> CsvColumns:
    if any("coordz" in each or "point(z" in each for each in types):
        return CsvColumns(separator, keeps_columns=True)
    wkt = [at for at, name in enumerate(names) if _plain(name) == _WKT]
    if "wkt" in types or wkt:
        return CsvColumns(separator, texts=types.index("wkt") if "wkt" in types else wkt[0])
    geometry = _geometry_among(names, rows)
    stated = _stated_points(names, types)
    if stated is None and geometry is not None:
        return CsvColumns(separator, geometry=geometry, texts=names.index(geometry))
    points = stated or _points_among(names)
    return CsvColumns(separator, points=points, keeps_columns=points is not None)


def separator_in(text: str) -> str:
    """Return what stands between the cells of the first line most often, outside of quotes."""
    outside = re.sub(r'"[^"]*"', "", text.partition("\n")[0])
    return max(_SEPARATORS, key=outside.count)


def _rows(text: str, separator: str) -> Iterator[list[str]]:
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        yield from reader
    except csv.Error:
        # What is no CSV is told of when all of it is read.
        return


def _stated_types(path: Path) -> list[str]:
    beside = path.with_suffix(".csvt")
    told = beside.read_text(errors="replace") if beside.is_file() else ""
    return [each.strip(' \t\r\n"').lower() for each in re.split(r"[,;\t]", told)]


def _stated_points(names: Sequence[str], types: Sequence[str]) -> PointColumns | None:
    found = {}
    for name, type_ in zip(names, types, strict=False):
        if type_ in ("coordx", "point(x)"):
            found["x"] = name
        elif type_ in ("coordy", "point(y)"):
            found["y"] = name
    if len(found) < 2:
        return None
    return PointColumns(**found, are_degrees=(_plain(found["x"]), _plain(found["y"])) in _DEGREES)


def _points_among(names: Sequence[str]) -> PointColumns | None:
    plain = {_plain(name): name for name in reversed(names) if not _NOT_ASKED_FOR.search(name)}
    for x, y in (*_DEGREES, *_OTHERS):
        if x in plain and y in plain:
            return PointColumns(plain[x], plain[y], are_degrees=(x, y) in _DEGREES)
    return None


def _geometry_among(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str | None:
    """Return a column named as geometries are whose first text is one."""
    for at, name in enumerate(names):
        if _plain(name) in _GEOMETRIES and not _NOT_ASKED_FOR.search(name):
            texts = (row[at] for row in rows if len(row) > at)
            if _GEOMETRY.match(next(filter(None, texts), "")):
                return name
    return None


def _plain(name: str) -> str:
    return _SIGNS.sub("", _BRACKETS.sub("", name)).lower()
