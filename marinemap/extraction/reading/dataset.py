"""What a vector file holds, read from the file itself, and why a file cannot be served."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyogrio
import pyproj
from pyogrio.errors import DataLayerError
from pyproj.exceptions import CRSError

from marinemap.errors import DatasetError, quote
from marinemap.extraction.geometry.geometry_types import plain_type
from marinemap.extraction.geometry.wkb import dimensions, kinds
from marinemap.extraction.geopackage.index import own_key
from marinemap.extraction.place import Place
from marinemap.extraction.postgis.table import Table
from marinemap.extraction.projection.crs import is_on_earth
from marinemap.extraction.reading.layer_names import (
    OPENING_ERRORS,
    pick_layer,
    quietly,
    unreadable,
)
from marinemap.extraction.remote.address import Remote
from marinemap.extraction.sources import source_format_of
from marinemap.extraction.sources.source_files import fingerprint, one_state, real_path
from marinemap.extraction.sources.table_encoding import encoding_of
from marinemap.sentences import say

if TYPE_CHECKING:
    from marinemap.extraction.geoparquet.described import FileDescription
    from marinemap.extraction.postgis.described import TableDescription

# A file of any size must be described at once; its first features stand for the rest.
_LOOKED_AT = 100
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
Bounds = tuple[float, float, float, float]
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
class KnownZones:
    """Zones of moments that were found when a file was read before.

    Parameters
    ----------
    state : str
        The file's fingerprint then.
    zones : tuple of (str, str), optional
        Fields and their zones; None where none were sought.
    seconds : float, optional
        How long they may be sought where the file has another state by now; None for no limit.
    """

    state: str
    zones: tuple[tuple[str, str], ...] | None
    seconds: float | None = None


@dataclass(frozen=True)
class Dataset:
    """One layer of a vector file, here or on a server, or a table.

    ``bounds`` are (minx, miny, maxx, maxy) in the layer's own CRS, x before y; None where the
    layer is empty or no feature has a geometry. ``crs`` is an authority code such as
    ``EPSG:4326``, or WKT where the CRS has none. Without ``known_zones`` whoever needs the zones
    of its moments reads them all.
    """

    path: Place
    layer: str
    crs: str
    bounds: Bounds | None
    geometry_type: str
    fields: tuple[Field, ...]
    feature_count: int
    known_zones: KnownZones | None = None

    @property
    def may_hold_collections(self) -> bool:
        """Whether a feature may have parts of several types, by what is declared."""
        return self.geometry_type.startswith(("GeometryCollection", "Unknown"))

    @property
    def file(self) -> Path:
        """The file that it is in; only where it is in one."""
        if not isinstance(self.path, Path):
            raise TypeError(f"{self.title} is in no file here")
        return self.path

    @property
    def title(self) -> str:
        """What to call the layer in a message."""
        return f"layer '{self.layer}' of {self.path.name}"


def describe(path: Place, layer: str | None = None) -> Dataset:
    """Read what a layer holds, refusing what cannot be served.

    Parameters
    ----------
    path : Path, Table or Remote
        A vector file, a table of PostGIS, or a file on a server; a link is followed now, so that
        all that is read of the dataset is of one file even if the link is switched meanwhile.
    layer : str, optional
        The layer's name; may be left out where the file holds one layer.

    Raises
    ------
    DatasetError
        If the file or layer is missing or unreadable, a ``.shp`` is shorter or longer than its
        header says, or the layer has no CRS or no geometry.
    UnavailableError
        If it is on a server that is away.
    """
    if isinstance(path, Table):
        return _described_table(path, layer)
    if isinstance(path, Remote):
        return _described_remote(path, layer)
    path = real_path(path)
    name = pick_layer(path, layer)
    if source_format_of(path).is_parquet:
        return _described_parquet(path, name)
    try:
        with quietly():
            return _described(path, name)
    except UnboundLocalError as error:
        # What pyogrio 0.13 fails by where GDAL's words for a damaged CRS are no UTF-8.
        raise DatasetError(
            say(
                "the CRS of layer '{name}' of {file} is damaged: it holds letters that are none",
                name=name,
                file=path.name,
            ),
            field="crs",
            value=name,
        ) from error
    except OPENING_ERRORS as error:
        raise unreadable(path, error) from error


def _described_table(table: Table, layer: str | None) -> Dataset:
    if layer not in (None, table.layer):
        raise DatasetError(
            say(
                "the address of the table names '{layer}', not '{wanted}'",
                layer=table.layer,
                wanted=quote(layer),
            ),
            field="layer",
            value=layer,
        )
    # Imported here: PostgreSQL's client takes long to import, and files need none of it.
    from marinemap.extraction.postgis.described import describe_table

    return _as_told(table, table.layer, describe_table(table))


def _described_parquet(path: Path, name: str) -> Dataset:
    # Imported here: it takes long to import, and other files need none of it.
    from marinemap.extraction.geoparquet.described import describe_file

    return _as_told(path, name, describe_file(path, fingerprint(path)))


def _described_remote(remote: Remote, layer: str | None) -> Dataset:
    if layer not in (None, remote.stem):
        raise DatasetError(
            say(
                "{name} holds the layer '{known}', not '{layer}'",
                name=remote.name,
                known=remote.stem,
                layer=quote(layer),
            ),
            field="layer",
            value=layer,
        )
    # Imported here, as above.
    from marinemap.extraction.geoparquet.described import describe_file

    with one_state(remote) as place:
        found = describe_file(place, fingerprint(place))
    return _as_told(remote, remote.stem, found)


def _as_told(path: Place, name: str, found: TableDescription | FileDescription) -> Dataset:
    return Dataset(
        path=path,
        layer=name,
        crs=_crs_of(found.stated_crs, path, name),
        bounds=found.bounds,
        geometry_type=found.geometry_type,
        fields=tuple(Field(field, type_) for field, type_ in found.fields),
        feature_count=found.feature_count,
    )


def _described(path: Path, name: str) -> Dataset:
    info = pyogrio.read_info(
        path,
        layer=name,
        encoding=encoding_of(path),
        force_feature_count=True,
        force_total_bounds=True,
        **source_format_of(path).options(path),
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
        )
    count = int(info["features"])
    kind, has_z = _found_geometry_type(path, name, info["geometry_type"])
    return Dataset(
        path=path,
        layer=name,
        crs=_crs_of((info["crs"],) if info["crs"] else (), path, name),
        bounds=_bounds(path, name, info["total_bounds"]) if count else None,
        geometry_type=f"3D {kind}" if has_z else kind,
        fields=_fields(path, name, info),
        feature_count=count,
    )


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
        return minx, miny, maxx, maxy
    return _finite_bounds(path, name)


def _finite_bounds(path: Path, name: str) -> Bounds | None:
    """Return the box of the features that lie somewhere: one at infinity stretches GDAL's."""
    _, boxes = pyogrio.read_bounds(path, layer=name)
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
    try:
        _, _, found, _ = pyogrio.raw.read(path, layer=name, columns=[], max_features=_LOOKED_AT)
    except DataLayerError:
        # A geometry is broken, which is told with more words when it is read.
        return "Unknown", declares_z
    column = pa.array(found, pa.binary())
    with_z, _ = dimensions(column)
    bases = np.unique(kinds(column))
    shown = {_KINDS[base] if base < len(_KINDS) else "Unknown" for base in bases.tolist() if base}
    if len({kind.removeprefix("Multi") for kind in shown}) != 1:
        return "Unknown", declares_z or bool(with_z.any())
    return max(shown, key=len), declares_z or bool(with_z.any())


def _crs_of(stated: tuple[str, ...], path: Place, name: str) -> str:
    """Return the first of what is stated that is known; an authority's code where there is one."""
    text, crs = next(filter(None, map(_known, stated)), ("", None))
    if crs is None or crs.is_engineering:
        raise DatasetError(
            say(
                "layer '{name}' of {file} has no CRS, so nobody can tell where it lies",
                name=name,
                file=path.name,
            ),
            field="crs",
            value=name,
            hint=say(
                "Add the CRS to the data, for example with ogr2ogr -a_srs EPSG:4326 (for "
                "a shapefile: its .prj)."
            ),
        )
    if crs.is_geocentric or crs.type_name == "Vertical CRS":
        raise DatasetError(
            say(
                "the CRS of layer '{name}' of {file} ('{crs}') is a {type_name}: "
                "its positions are none on a map",
                name=name,
                file=path.name,
                crs=quote(crs.name),
                type_name=crs.type_name,
            ),
            field="crs",
            value=name,
            hint=say("Bring the data to a geographic or projected CRS, such as EPSG:4326."),
        )
    if not is_on_earth(crs):
        raise DatasetError(
            say(
                "the CRS of layer '{name}' of {file} ('{crs}') cannot be brought "
                "to degrees on Earth: it is damaged, or of another planet",
                name=name,
                file=path.name,
                crs=quote(crs.name),
            ),
            field="crs",
            value=name,
        )
    authority = crs.to_authority(min_confidence=100)
    return ":".join(authority) if authority else text


def _known(stated: str) -> tuple[str, pyproj.CRS] | None:
    try:
        return stated, pyproj.CRS.from_user_input(stated)
    except CRSError:
        return None
