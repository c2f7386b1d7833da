"""What a Parquet file says of its geometries (GeoParquet 1.1.0, the file's metadata ``geo``)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyproj
from pyproj.exceptions import CRSError

from marinemap.errors import DatasetError, quote
from marinemap.extraction.projection.crs import CRS84
from marinemap.sentences import say

_KEY = b"geo"
_VERSIONS = ("1.0.", "1.1.")
NATIVE = ("point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon")
_SIDES = ("xmin", "ymin", "xmax", "ymax")
_HINT = "Write the file anew, for instance by GeoPandas (to_parquet) or ogr2ogr -f Parquet."
# Between two points there is one edge only where there is none.
_WITHOUT_EDGES = ("Point", "MultiPoint")

Box = tuple[float, float, float, float]
# The way to a column within columns, such as ("bbox", "xmin").
Leaf = tuple[str, ...]


@dataclass(frozen=True)
class GeoColumn:
    """The column of geometries that a layer has.

    ``stated_crs`` is WKT, None where the file says that nobody knows it. ``types`` are those that
    it may hold, such as ``Polygon Z``; any where empty. ``sides`` lead to the columns of
    each feature's box (minx, miny, maxx, maxy), None where there are none. ``others`` are further
    columns of geometries.
    """

    name: str
    encoding: str
    stated_crs: str | None
    types: tuple[str, ...]
    box: Box | None
    sides: tuple[Leaf, Leaf, Leaf, Leaf] | None
    others: tuple[str, ...]

    @property
    def hidden(self) -> set[str]:
        """The columns that are no fields: of geometries, and of their boxes."""
        boxes = {leaf[0] for leaf in self.sides or ()}
        return {self.name, *self.others, *boxes}


def read_geo(metadata: Mapping[bytes, bytes] | None, file: str) -> GeoColumn:
    """Read what a file says of its primary geometry.

    Parameters
    ----------
    metadata : mapping
        The file's keys and values.
    file : str
        Its name, for messages.

    Raises
    ------
    DatasetError
        If it says nothing, what cannot be, or what cannot be served.
    """
    text = (metadata or {}).get(_KEY)
    if text is None:
        raise _refused(f"{file} has no metadata 'geo': it is a table of Parquet, not a GeoParquet")
    try:
        geo = json.loads(text)
        _check_version(geo, file)
        name = geo["primary_column"]
        return _column(name, geo["columns"][name], [*geo["columns"]], file)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _refused(
            f"what {file} says of its geometries cannot be read: {quote(repr(error))}"
        ) from error


def _check_version(geo: Mapping[str, Any], file: str) -> None:
    version = geo["version"]
    if not str(version).startswith(_VERSIONS):
        raise _refused(f"{file} is of GeoParquet {quote(version)}; 1.0 and 1.1 are read")


def _column(name: str, column: Mapping[str, Any], every: Sequence[str], file: str) -> GeoColumn:
    encoding, types = column["encoding"], tuple(map(str, column["geometry_types"]))
    if encoding not in ("WKB", *NATIVE):
        raise _refused(f"the geometries of {file} are encoded as {quote(encoding)}, not as WKB")
    _check_edges(column.get("edges", "planar"), types, encoding, file)
    return GeoColumn(
        name=name,
        encoding=encoding,
        stated_crs=_crs(column, file),
        types=types,
        box=_box(column.get("bbox")),
        sides=_sides(name, column, encoding),
        others=tuple(other for other in every if other != name),
    )


def _check_edges(edges: Any, types: tuple[str, ...], encoding: str, file: str) -> None:
    plain = [type_.removesuffix(" Z") for type_ in types]
    has_none = encoding in ("point", "multipoint") or (
        plain and all(type_ in _WITHOUT_EDGES for type_ in plain)
    )
    if edges != "planar" and not has_none:
        raise DatasetError(
            say(
                "the edges of {file} are {edges}: they follow the globe, and would be "
                "cut as if they were straight on the map",
                file=file,
                edges=quote(edges),
            ),
            field="source",
            hint=say("Give its lines more corners, and write it with planar edges."),
        )


def _crs(column: Mapping[str, Any], file: str) -> str | None:
    stated = column.get("crs", CRS84)
    if stated is None:
        return None
    text = stated if isinstance(stated, str) else json.dumps(stated)
    try:
        return str(pyproj.CRS.from_user_input(text).to_wkt())
    except CRSError as error:
        raise DatasetError(
            say("the CRS of {file} cannot be read: {error}", file=file, error=quote(error)),
            field="crs",
            hint=_HINT,
        ) from error


def _box(stated: Any) -> Box | None:
    """Return the box of all features, which may have heights between."""
    if stated is None:
        return None
    numbers = [float(number) for number in stated]
    half = len(numbers) // 2
    if half not in (2, 3) or len(numbers) % 2:
        raise ValueError(f"bbox of {len(numbers)} numbers")
    return numbers[0], numbers[1], numbers[half], numbers[half + 1]


def _sides(
    name: str, column: Mapping[str, Any], encoding: str
) -> tuple[Leaf, Leaf, Leaf, Leaf] | None:
    if encoding == "point":
        x, y = (name, "x"), (name, "y")
        return x, y, x, y
    covering = column.get("covering", {}).get("bbox")
    if covering is None:
        return None
    minx, miny, maxx, maxy = (tuple(map(str, covering[side])) for side in _SIDES)
    return minx, miny, maxx, maxy


def _refused(message: str) -> DatasetError:
    return DatasetError(message, field="source", hint=_HINT)
