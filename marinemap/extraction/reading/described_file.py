"""What a layer of a file holds, as GDAL tells it, and as its first features show it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
from pyogrio.errors import DataLayerError

from marinemap.errors import DatasetError, quote
from marinemap.extraction.dataset import Bounds, Dataset, Field
from marinemap.extraction.geometry.geometry_types import plain_type
from marinemap.extraction.geometry.type_names import common_type, shown_types
from marinemap.extraction.geometry.wkb import dimensions
from marinemap.extraction.geopackage.index import bounds_beyond
from marinemap.extraction.reading.arrow_batches import binary, geometry_place
from marinemap.extraction.reading.own_keys import own_key
from marinemap.extraction.reading.points import Points, points_of
from marinemap.extraction.reading.stated_crs import first_known, in_prj
from marinemap.extraction.sources import source_format_of
from marinemap.extraction.sources.table_encoding import encoding_of
from marinemap.sentences import say

# A file of any size must be described at once; its first features stand for the rest.
_LOOKED_AT = 100
# Of longitudes and latitudes that say no more.
_DEGREES = "EPSG:4326"
# OGR's types of fields, and its subtypes where they say more, in the words of numpy and Python.
_TYPES = {
    "OFTInteger": "int32",
    "OFTInteger64": "int64",
    "OFTReal": "float",
    "OFTString": "str",
    "OFTDate": "date",
    "OFTTime": "time",
    "OFTDateTime": "datetime",
    "OFTBinary": "bytes",
    "OFTIntegerList": "list of int32",
    "OFTInteger64List": "list of int64",
    "OFTRealList": "list of float",
    "OFTStringList": "list of str",
}
_SUBTYPES = {
    "OFSTBoolean": "bool",
    "OFSTInt16": "int16",
    "OFSTFloat32": "float32",
    "OFSTJSON": "json",
    "OFSTUUID": "uuid",
}


def describe_file(path: Path, name: str) -> Dataset:
    """Read what a layer holds, as :func:`marinemap.extraction.reading.describe.describe` does.

    Raises
    ------
    DatasetError
        If it cannot be served.
    """
    points = points_of(path)
    info = pyogrio.read_info(
        path,
        layer=name,
        encoding=encoding_of(path),
        force_feature_count=points is None,
        force_total_bounds=points is None,
        **source_format_of(path).options(path),
        **(points.columns.names_for_gdal if points else {}),
    )
    if info["geometry_type"] is None:
        raise DatasetError(
            say(
                "layer '{name}' of {file} has no geometry: it is a table, not a map layer",
                name=name,
                file=path.name,
            ),
            field="layer",
            value=name,
            hint=source_format_of(path).table_hint or None,
        )
    fields = _fields(path, name, info)
    kind, has_z = _found_geometry_type(path, name, info["geometry_type"])
    found = _gdals_extent(path, name, info) if points is None else points.extent(path, name)
    count, bounds = found
    stated, assumed = _stated_crs(path, info["crs"], points)
    read = {*info["fields"].tolist(), info["fid_column"], info["geometry_name"]}
    return Dataset(
        path=path,
        layer=name,
        crs=first_known(stated, bounds, path, name),
        bounds=bounds,
        geometry_type=f"3D {kind}" if has_z else kind,
        fields=fields,
        feature_count=count,
        assumed=assumed or source_format_of(path).unread(path, name, read),
    )


def _gdals_extent(path: Path, name: str, info: dict[str, Any]) -> tuple[int, Bounds | None]:
    known = source_format_of(path).count(path)
    count = int(info["features"]) if known is None else known
    return count, _bounds(path, name, info["total_bounds"]) if count else None


def _stated_crs(path: Path, crs: str | None, points: Points | None) -> tuple[tuple[str, ...], str]:
    """Return what states the CRS, and what is to be said where nothing does but names."""
    if points is None or not points.are_degrees:
        return (crs,) if crs else in_prj(path), ""
    told = say(
        "No CRS is stated for {file}: columns '{x}' and '{y}' are taken for longitudes and "
        "latitudes in WGS 84 (EPSG:4326).",
        file=path.name,
        x=quote(points.columns.x),
        y=quote(points.columns.y),
    )
    return (_DEGREES,), told


def _fields(path: Path, name: str, info: dict[str, Any]) -> tuple[Field, ...]:
    key = own_key(path, name)
    keys = (Field(key, "int64"),) if key else ()
    types = zip(info["ogr_types"], info["ogr_subtypes"], strict=True)
    words = [_SUBTYPES.get(subtype, _TYPES.get(type_, "str")) for type_, subtype in types]
    names = info["fields"].tolist()
    _check_differ(path, name, names)
    return (*keys, *map(Field, names, words))


def _check_differ(path: Path, layer: str, names: list[str]) -> None:
    """Refuse fields that nobody can tell apart: a request chooses them by their names."""
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DatasetError(
            say(
                "layer '{layer}' of {file} has {count} fields named '{repeated}', which "
                "nobody can tell apart",
                layer=layer,
                file=path.name,
                count=names.count(repeated[0]),
                repeated=quote(repeated[0]),
            ),
            field="source",
            value=repeated[0],
            hint=say("Give each field a name of its own."),
        )


def _bounds(path: Path, name: str, found: Any) -> Bounds | None:
    if found is None:
        return None  # GDAL has no extent for a layer in which no feature has a geometry.
    minx, miny, maxx, maxy = map(float, found)
    if np.isfinite(found).all():
        stated = minx, miny, maxx, maxy
        return bounds_beyond(path, name, stated) or stated
    return _finite_bounds(path, name)


def _finite_bounds(path: Path, name: str) -> Bounds | None:
    """Return the box of the features that lie somewhere: one at infinity stretches GDAL's."""
    _, boxes = pyogrio.read_bounds(source_format_of(path).name_for_gdal(path), layer=name)
    sound = boxes[:, np.isfinite(boxes).all(axis=0)]
    if sound.size == 0:
        return None
    (minx, miny), (maxx, maxy) = sound[:2].min(axis=1), sound[2:].max(axis=1)
    return float(minx), float(miny), float(maxx), float(maxy)


def _found_geometry_type(path: Path, name: str, declared: str) -> tuple[str, bool]:
    """Return the declared type and whether it has heights; where open, what the features show."""
    plain, declares_z = plain_type(declared)
    if plain != "Unknown":
        return plain, declares_z
    mend = source_format_of(path).mend(path, name)
    try:
        column = _first_geometries(path, name) if mend is None else _mended(path, name, mend)
    except DataLayerError:
        # A geometry is broken, which is told with more words when it is read.
        return "Unknown", declares_z
    with_z, _ = dimensions(column)
    return common_type(shown_types(column)), declares_z or bool(with_z.any())


def _first_geometries(path: Path, name: str) -> Any:
    options = source_format_of(path).options(path)
    _, _, found, _ = pyogrio.raw.read(
        path, layer=name, columns=[], max_features=_LOOKED_AT, **options
    )
    return pa.array(found, pa.binary())


def _mended(path: Path, name: str, mend: Callable[[Any], Any]) -> Any:
    options = source_format_of(path).options(path)
    _, table = pyogrio.read_arrow(
        path, layer=name, columns=[], max_features=_LOOKED_AT, return_fids=True, **options
    )
    mended = mend(table)
    return binary(mended.column(geometry_place(mended.schema)).combine_chunks())
