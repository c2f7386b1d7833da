"""What a vector file holds, read from the file itself, and why a file cannot be served."""

from __future__ import annotations

import hashlib
import itertools
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fiona
import pyogrio
import pyproj
from fiona._err import CPLE_BaseError
from fiona.errors import DriverError, FionaError, UnsupportedGeometryTypeError
from pyogrio.errors import DataSourceError, GeometryError
from pyproj.exceptions import CRSError
from shapely.geometry import shape

from marinemap.errors import DatasetError, ServiceError, did_you_mean, quote
from marinemap.extraction.crs import is_on_earth
from marinemap.extraction.first_look import look_first
from marinemap.extraction.geopackage_index import own_key
from marinemap.extraction.shapefile_check import check_headers
from marinemap.extraction.sources import source_format_of
from marinemap.extraction.sqlite_source import watched

_CHUNK_BYTES = 1 << 20
# What GDAL says of a damaged .prj comes out of fiona as it is.
_FIONA_ERRORS = (FionaError, CPLE_BaseError, ValueError, OSError)
# A file of any size must be described at once; its first features stand for the rest.
_LOOKED_AT = 100


class SourceChangedError(DatasetError):
    """The source was changed while it was read; read again, it may be right."""


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
    _check_is_file(path)
    look_first(real_path(path), fingerprint(path))
    try:
        if path.suffix.lower() == ".shp":
            check_headers(path)
        return _layer_names(path)
    except (DataSourceError, *_FIONA_ERRORS) as error:
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
        with warnings.catch_warnings():
            # fiona warns of field types that it passes by; they are listed as they come.
            warnings.simplefilter("ignore")
            with fiona.open(path, layer=name) as source:
                return _describe_open(path, name, source)
    except UnsupportedGeometryTypeError as error:
        raise DatasetError(
            f"layer '{name}' of {path.name} is of a geometry type that cannot be served ({error})",
            field="layer",
            value=name,
            hint="Write it as points, lines or polygons, for instance by ogr2ogr -nlt "
            "CONVERT_TO_LINEAR.",
        ) from error
    except _FIONA_ERRORS as error:
        raise _unreadable(path, error) from error


def fingerprint(path: Path) -> str:
    """Return a cheap mark that changes when a file is replaced or written to.

    Raises
    ------
    DatasetError
        If the file is gone.
    """
    try:
        found = [(part.name, part.stat()) for part in parts_of(real_path(path))]
    except OSError as error:
        raise DatasetError(
            f"there is no file {path.name}", field="source", value=path.name
        ) from error
    # The number of the file tells a replacement that has the size and the time of the old one.
    marks = [(name, mark.st_size, mark.st_mtime_ns, mark.st_ino) for name, mark in found]
    return hashlib.sha256(repr(marks).encode()).hexdigest()[:16]


@contextmanager
def unchanged(path: Path) -> Iterator[None]:
    """Do something with a source that its file must outlast.

    Raises
    ------
    SourceChangedError
        If the file was changed, replaced or removed meanwhile, whatever else failed for it.
    """
    before = fingerprint(path)
    with watched(real_path(path)) as has_commits:
        try:
            yield
        except (DatasetError, ServiceError) as error:
            _check_same(path, before, has_commits, error)
            raise
        _check_same(path, before, has_commits, None)


def content_version(path: Path) -> str:
    """Return twelve hexadecimal digits that change whenever the content of a file does.

    Reads every byte of the file, of those beside it that belong to it (shapefile, MapInfo), and
    of all in a folder such as a file geodatabase.
    """
    digest = hashlib.sha256()
    for part in parts_of(real_path(path)):
        if part.is_file():
            with part.open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    digest.update(chunk)
    return digest.hexdigest()[:12]


def without_folder(error: Exception, path: Path) -> str:
    """Return an error's text with the file's name in place of its path, which users never see."""
    return str(error).replace(str(path.absolute()), path.name).replace(str(path), path.name)


def real_path(path: Path) -> Path:
    """Return where a path leads, links followed."""
    return Path(os.path.realpath(path))


def _check_same(
    path: Path, before: str, has_commits: Callable[[], bool], cause: Exception | None
) -> None:
    try:
        same = fingerprint(path) == before and not has_commits()
    except DatasetError:
        same = False
    if not same:
        raise SourceChangedError(
            f"{path.name} was changed while it was read",
            field="source",
            hint="Ask again; the new data will be used.",
        ) from cause


def _describe_open(path: Path, name: str, source: Any) -> Dataset:
    geometry_type = str(source.schema["geometry"])
    if geometry_type == "None":
        raise DatasetError(
            f"layer '{name}' of {path.name} has no geometry: it is a table, not a map layer",
            field="layer",
            value=name,
        )
    count = _count(source)
    kind, has_z = _found_geometry_type(source, geometry_type)
    return Dataset(
        path=path,
        layer=name,
        crs=_crs_of(source, path, name),
        bounds=_bounds(source) if count else None,
        geometry_type=f"3D {kind}" if has_z else kind,
        fields=_fields(path, name, source),
        feature_count=count,
    )


def _fields(path: Path, name: str, source: Any) -> tuple[Field, ...]:
    key = own_key(path, name)
    keys = (Field(key, "int64"),) if key else ()
    return (*keys, *(Field(n, t) for n, t in source.schema["properties"].items()))


def _count(source: Any) -> int:
    try:
        return len(source)
    except TypeError:
        # GPX and a few other drivers cannot tell without reading.
        return sum(1 for _ in source)


def _bounds(source: Any) -> tuple[float, float, float, float] | None:
    try:
        minx, miny, maxx, maxy = source.bounds
    except DriverError:
        # GDAL has no extent for a layer in which no feature has a geometry.
        return None
    return minx, miny, maxx, maxy


def _found_geometry_type(source: Any, declared: str) -> tuple[str, bool]:
    """Return the declared type and whether it has heights; where open, what the features show."""
    plain = declared.removeprefix("3D ")
    if plain not in ("Unknown", "Geometry"):
        return plain, plain != declared
    first = itertools.islice(source, _LOOKED_AT)
    found = [shape(feature.geometry) for feature in first if feature.geometry is not None]
    has_z = plain != declared or any(geometry.has_z for geometry in found)
    kinds = {str(geometry.geom_type) for geometry in found}
    if len({kind.removeprefix("Multi") for kind in kinds}) != 1:
        return "Unknown", has_z
    return max(kinds, key=len), has_z


def _crs_of(source: Any, path: Path, name: str) -> str:
    try:
        # fiona 1.10 fails with UnboundLocalError where GDAL can make no WKT of a damaged .prj.
        wkt = source.crs_wkt
    except UnboundLocalError:
        wkt = ""
    try:
        crs = pyproj.CRS.from_wkt(wkt) if wkt else None
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
    return ":".join(authority) if authority else wkt


def _layer_names(path: Path) -> list[str]:
    try:
        # fiona would end the process where GDAL refuses the file in words that are not UTF-8.
        return [str(name) for name in pyogrio.list_layers(path)[:, 0]]
    except GeometryError:
        # The file is not refused; but pyogrio lists none where one layer is of triangles.
        return list(fiona.listlayers(path))


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


def parts_of(path: Path) -> list[Path]:
    """Return the files that hold a dataset: all of a folder's, or those beside the one named."""
    return source_format_of(path).parts(path)


def _check_is_file(path: Path) -> None:
    if not path.exists():
        raise DatasetError(f"there is no file {path.name}", field="source", value=path.name)
    if not path.is_file() and not path.is_dir():
        # Reading a pipe would wait for whoever writes into it.
        raise DatasetError(
            f"{path.name} is neither a file nor a folder, but a pipe, a socket or a device",
            field="source",
            value=path.name,
        )


def _unreadable(path: Path, error: Exception) -> DatasetError:
    return DatasetError(
        f"{path.name} cannot be read as vector data: {without_folder(error, path)}",
        field="source",
        value=path.name,
    )
