"""What a vector file holds, read from the file itself, and why a file cannot be served."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
import pyproj
from pyogrio.errors import DataLayerError, DataSourceError, GeometryError
from pyproj.exceptions import CRSError

from marinemap.errors import DatasetError, did_you_mean, quote
from marinemap.extraction.crs import is_on_earth
from marinemap.extraction.first_look import look_first
from marinemap.extraction.geopackage_index import own_key
from marinemap.extraction.shapefile_check import check_headers
from marinemap.extraction.source_files import check_is_file, fingerprint, real_path, without_folder
from marinemap.extraction.wkb import dimensions, kinds

_GDAL_ERRORS = (DataSourceError, DataLayerError, ValueError, OSError)
# A file of any size must be described at once; its first features stand for the rest.
_LOOKED_AT = 100
_HOW_TO_CONVERT = (
    "Write it as points, lines or polygons, for instance by ogr2ogr -nlt CONVERT_TO_LINEAR."
)
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
# As WKB numbers them.
_KINDS = (
    "Unknown",
    "Point",
    "LineString",
    "Polygon",
    "MultiPoint",
    "MultiLineString",
    "MultiPolygon",
    "GeometryCollection",
)


@dataclass(frozen=True)
class Field:
    """A column: its name and its type in OGR's words, such as ``str``, ``int32``, ``date``."""

    name: str
    type: str


@dataclass(frozen=True)
class Dataset:
    """One layer of a vector file.

    ``bounds`` are (minx, miny, maxx, maxy) in the layer's own CRS, x before y; None where the
    layer is empty or no feature has a geometry. ``crs`` is an authority code such as
    ``EPSG:4326``, or WKT where the CRS has none.
    """

    path: Path
    layer: str
    crs: str
    bounds: tuple[float, float, float, float] | None
    geometry_type: str
    fields: tuple[Field, ...]
    feature_count: int

    @property
    def title(self) -> str:
        """What to call the layer in a message."""
        return f"layer '{self.layer}' of {self.path.name}"


def list_layers(path: Path) -> list[str]:
    """Return the names of the layers in a vector file.

    Raises
    ------
    DatasetError
        If there is no such file, it is damaged, or GDAL cannot read it.
    """
    check_is_file(path)
    look_first(real_path(path), fingerprint(path))
    try:
        if path.suffix.lower() == ".shp":
            check_headers(path)
        with _quietly():
            return _layer_names(path)
    except _GDAL_ERRORS as error:
        raise _unreadable(path, error) from error


def describe(path: Path, layer: str | None = None) -> Dataset:
    """Read what a layer holds, refusing what cannot be served.

    Parameters
    ----------
    path : Path
        A vector file that GDAL reads; a link is followed now, so that all that is read of the
        dataset is of one file even if the link is switched meanwhile.
    layer : str, optional
        The layer's name; may be left out where the file holds one layer.

    Raises
    ------
    DatasetError
        If the file or layer is missing or unreadable, a ``.shp`` is shorter or longer than its
        header says, or the layer has no CRS or no geometry.
    """
    path = real_path(path)
    name = _pick_layer(path, layer)
    try:
        with _quietly():
            return _described(path, name)
    except UnboundLocalError as error:
        # What pyogrio 0.13 fails by where GDAL's words for a damaged CRS are no UTF-8.
        raise DatasetError(
            f"the CRS of layer '{name}' of {path.name} is damaged: it holds letters that are none",
            field="crs",
            value=name,
        ) from error
    except GeometryError as error:
        raise DatasetError(
            f"layer '{name}' of {path.name} is of a geometry type that cannot be served ({error})",
            field="layer",
            value=name,
            hint=_HOW_TO_CONVERT,
        ) from error
    except _GDAL_ERRORS as error:
        raise _unreadable(path, error) from error


@contextmanager
def _quietly() -> Iterator[None]:
    """Pass over pyogrio's warnings: of measures, which come all the same, of odd fields."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _described(path: Path, name: str) -> Dataset:
    info = pyogrio.read_info(path, layer=name, force_feature_count=True, force_total_bounds=True)
    if info["geometry_type"] is None:
        raise DatasetError(
            f"layer '{name}' of {path.name} has no geometry: it is a table, not a map layer",
            field="layer",
            value=name,
        )
    count = int(info["features"])
    kind, has_z = _found_geometry_type(path, name, info["geometry_type"])
    return Dataset(
        path=path,
        layer=name,
        crs=_crs_of(info["crs"], path, name),
        bounds=_bounds(info["total_bounds"]) if count else None,
        geometry_type=f"3D {kind}" if has_z else kind,
        fields=_fields(path, name, info),
        feature_count=count,
    )


def _fields(path: Path, name: str, info: dict[str, Any]) -> tuple[Field, ...]:
    key = own_key(path, name)
    keys = (Field(key, "int64"),) if key else ()
    types = zip(info["ogr_types"], info["ogr_subtypes"], strict=True)
    words = [_SUBTYPES.get(subtype, _TYPES.get(type_, "str")) for type_, subtype in types]
    return (*keys, *map(Field, info["fields"].tolist(), words))


def _bounds(found: Any) -> tuple[float, float, float, float] | None:
    if found is None:
        return None  # GDAL has no extent for a layer in which no feature has a geometry.
    minx, miny, maxx, maxy = map(float, found)
    return minx, miny, maxx, maxy


def _found_geometry_type(path: Path, name: str, declared: str) -> tuple[str, bool]:
    """Return the declared type and whether it has heights; where open, what the features show."""
    plain = declared.removesuffix(" Z")
    if plain != "Unknown":
        return plain, plain != declared
    try:
        _, _, found, _ = pyogrio.raw.read(path, layer=name, columns=[], max_features=_LOOKED_AT)
    except DataLayerError:
        # A geometry is broken, which is told with more words when it is read.
        return "Unknown", plain != declared
    column = pa.array(found, pa.binary())
    with_z, _ = dimensions(column)
    bases = np.unique(kinds(column))
    shown = {_KINDS[base] if base < len(_KINDS) else "Unknown" for base in bases.tolist() if base}
    if len({kind.removeprefix("Multi") for kind in shown}) != 1:
        return "Unknown", bool(with_z.any())
    return max(shown, key=len), bool(with_z.any())


def _crs_of(stated: str | None, path: Path, name: str) -> str:
    try:
        crs = pyproj.CRS.from_user_input(stated) if stated else None
    except CRSError:
        crs = None
    if crs is None or crs.is_engineering:
        raise DatasetError(
            f"layer '{name}' of {path.name} has no CRS, so nobody can tell where it lies",
            field="crs",
            value=name,
            hint="Add the CRS to the data, for example with ogr2ogr -a_srs EPSG:4326 "
            "(for a shapefile: its .prj).",
        )
    if not is_on_earth(crs):
        raise DatasetError(
            f"the CRS of layer '{name}' of {path.name} ('{quote(crs.name)}') cannot be brought to "
            "degrees on Earth: it is damaged, or of another planet",
            field="crs",
            value=name,
        )
    authority = crs.to_authority(min_confidence=100)
    return ":".join(authority) if authority else str(stated)


def _layer_names(path: Path) -> list[str]:
    try:
        return [str(name) for name in pyogrio.list_layers(path)[:, 0]]
    except GeometryError as error:
        # pyogrio lists none where one is of a type that it does not know, such as triangles.
        names = list(_known_to_pyogrio(path))
        if not names:
            raise DatasetError(
                f"{path.name} has no layer of a geometry type that can be served ({error})",
                field="source",
                value=path.name,
                hint=_HOW_TO_CONVERT,
            ) from error
        return names


def _known_to_pyogrio(path: Path) -> Iterator[str]:
    for number in itertools.count():
        try:
            yield str(pyogrio.read_info(path, layer=number)["layer_name"])
        except GeometryError:
            continue
        except DataLayerError:
            return  # There are no more.


def _pick_layer(path: Path, layer: str | None) -> str:
    known = list_layers(path)
    listed = ", ".join(f"'{name}'" for name in known)
    if layer is None and len(known) == 1:
        return known[0]
    if layer is None:
        raise DatasetError(
            f"{path.name} holds {len(known)} layers: {listed}; say which", field="layer"
        )
    if layer not in known:
        raise DatasetError(
            f"no layer '{layer}' in {path.name}; it has {listed}.{did_you_mean(layer, known)}",
            field="layer",
            value=layer,
        )
    return layer


def _unreadable(path: Path, error: Exception) -> DatasetError:
    return DatasetError(
        f"{path.name} cannot be read as vector data: {without_folder(error, path)}",
        field="source",
        value=path.name,
    )
