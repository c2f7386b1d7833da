"""What an extraction is asked and what it answers: plain frozen values."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyproj

from marinemap.errors import RequestError, quote
from marinemap.extraction.areas.area import Area
from marinemap.extraction.areas.clip import check_mode
from marinemap.extraction.dataset import Dataset
from marinemap.extraction.formats import check_format, get_format
from marinemap.extraction.formats.written import Loss
from marinemap.extraction.left_out import NamedFeature
from marinemap.extraction.place import Place
from marinemap.extraction.projection.crs import parse_crs
from marinemap.sentences import say

_FILE_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
# What a format may add to a layer's name.
_ADDED = re.compile(r"(_point|_line|_polygon)?(_\d+)?")
_LEADING_HYPHENS = re.compile(r"^-+")
# Windows takes these for devices, whatever the suffix (Microsoft, "Naming Files, Paths, and
# Namespaces"): nobody could unpack such a file there.
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))]
)


@dataclass(frozen=True)
class SourceLayer:
    """One layer to read.

    Parameters
    ----------
    name : str
        Names the files in the archive; ASCII letters, digits, ``-`` and ``_`` only.
    path : Path, Table or Remote
        A vector file that GDAL reads, or a table of PostGIS.
    layer : str, optional
        The layer within the file; may be left out where the file holds one layer.
    title, licence, attribution, version : str
        Copied into the README of the archive.
    fingerprint : str, optional
        Of the data that ``version`` is of; where the file has another by now, the archive states
        the version of what was read.
    zones : mapping, optional
        Of the data of ``fingerprint``: the zone of each field of moments of which some bear one;
        None where they were not sought.
    known : Dataset, optional
        What the data of ``fingerprint`` hold: whoever waits for an answer is not kept waiting until
        a large file or table is counted again.
    fields : sequence of str, optional
        The fields to keep, in the source's order; all by default.
    filter : str or mapping, optional
        Keep only features whose attributes match: CQL2 text or CQL2 JSON.
    most_features, most_bytes : int, optional
        The most that it may give, in files of the format that was asked for, before zipping.
    """

    name: str
    path: Place
    layer: str | None = None
    title: str = ""
    licence: str = ""
    attribution: str = ""
    version: str = ""
    fingerprint: str = ""
    fields: Sequence[str] | None = None
    filter: str | Mapping[str, Any] | None = None
    most_features: int | None = None
    most_bytes: int | None = None
    zones: Mapping[str, str] | None = None
    known: Dataset | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not _FILE_NAME.fullmatch(self.name):
            raise RequestError(
                say(
                    "'{name}' cannot name a file; use ASCII letters, digits, '-' and '_'",
                    name=quote(self.name),
                ),
                field="name",
                value=self.name,
            )
        _check_fields(self.fields)


@dataclass(frozen=True)
class ExtractionRequest:
    """Layers to cut, the area to cut them to, and where the archive goes.

    Parameters
    ----------
    layers : sequence of SourceLayer
        At least one; names must differ, for they name the files.
    area : Area or GeoJSON mapping or (minx, miny, maxx, maxy)
        The area of interest. GeoJSON and bounds are longitude, latitude in degrees
        (OGC:CRS84); bounds whose minx is larger than maxx cross 180 degrees.
    destination : Path, optional
        The zip file to make. It appears whole or not at all. An estimate needs none.
    crs : str, optional
        Output CRS as ``EPSG:<code>`` or an OGC CRS URI; by default each layer keeps its own.
    mode : {"clip", "intersects", "within"}
        Cut features at the area's edge; keep whole the features that touch the area; keep those
        that lie within it.
    format : str
        One of :data:`marinemap.extraction.FORMATS`, such as ``shapefile`` or ``geopackage``.
    full_copy : bool
        Whether the archive also holds a GeoPackage with the same features where the format
        loses something: texts cut, values or fields left out, types changed.
    made_at : datetime, optional
        Aware. Stands in the archive; without it nothing in the archive tells when it was made.
        The same request on the same data gives the same bytes.
    """

    layers: Sequence[SourceLayer]
    area: Area | dict[str, Any] | Sequence[float]
    destination: Path | None = None
    crs: str | None = None
    mode: str = "clip"
    format: str = "shapefile"
    full_copy: bool = True
    made_at: datetime | None = None

    def __post_init__(self) -> None:
        check_mode(self.mode)
        check_format(self.format, self.crs)
        if not isinstance(self.full_copy, bool):
            raise RequestError(
                say("whether a full copy is wanted is true or false"),
                field="full_copy",
                value=self.full_copy,
                hint=say("Write true or false, without quotes."),
            )
        names = [layer.name for layer in self.layers]
        if not names:
            raise RequestError(
                say("no layer is chosen; choose at least one"), field="layers", value=[]
            )
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise RequestError(
                say("'{repeated}' is listed twice; name each layer once", repeated=repeated[0]),
                field="layers",
                value=repeated[0],
            )

    def output_crs(self, area: Area) -> pyproj.CRS | None:
        """Return the CRS of the result, None where each layer keeps its own.

        Raises
        ------
        RequestError
            If the CRS does not exist, or is made for elsewhere.
        """
        name = self.crs or get_format(self.format).crs
        if name is None:
            return None
        crs = parse_crs(name)
        area.check_fits(crs, "crs")
        return crs

    @property
    def file_names(self) -> tuple[str, ...]:
        """What names each layer's files: its own name, numbered where files would clash.

        A layer ``sea`` of mixed geometries becomes ``sea_point`` and ``sea_line``, which may be
        another layer's name. Upper and lower case are one to some file systems. No name is one of
        Windows' devices, or begins with a hyphen, which programs take for an option, and GDAL's
        GeoPackage for no name at all.
        """
        names = [_LEADING_HYPHENS.sub("_", layer.name) for layer in self.layers]
        # The outline of the area is in every archive.
        taken = _DEVICES | ({"area"} if self.format == "geojson" else set())
        chosen: list[str] = []
        for index, name in enumerate(names):
            others = {other.lower() for other in [*chosen, *names[index + 1 :]]} | taken
            chosen.append(_free_name(name, others))
        return tuple(chosen)


@dataclass(frozen=True)
class LayerReport:
    """What became of one layer.

    ``features_read`` counts the features that were looked at: those near the area where the source
    has an index or boxes that tell, else all of it. ``features_written`` counts those in the
    archive. ``renamed_fields`` maps old names to new. ``notes`` are sentences for a person.
    ``losses`` are the same for a program: what the format could not hold as it came. ``repaired``
    counts features mended before they were cut, ``not_finite`` those left out for a coordinate
    that is no number, ``unreadable`` those left out for a geometry that cannot be read, of a
    shapefile in the whole layer, ``collapsed`` those left out on the edge as polygons of no area or
    lines of no length; ``left_out`` names the first ten of each. ``trimmed`` counts those
    that lost parts of a lower dimension. ``transformation``
    names how positions were moved to the output CRS; empty where they were not.
    ``area_transformation`` names how the area was brought to the layer where their datums differ.
    ``accuracy_m`` is what the registry states of both together, None where it states nothing, 0
    where no datum changes. ``tolerance_m`` is how closely edges of features were followed into the
    output CRS, ``area_tolerance_m`` those of the area into the layer's; None where they are the
    same there.
    ``without_position`` counts the features of the whole layer that lie nowhere, where the source
    can tell. ``area_m2`` is that of all polygons written and ``length_m`` that of all lines, in
    square metres and metres; ``measured`` says where. ``crs_wkt`` is the CRS of the files in full
    (WKT2:2019), where ``crs`` has its code or name. ``full_copy`` names the GeoPackage with
    everything in full, where there is one.
    """

    name: str
    files: tuple[str, ...]
    crs: str
    features_read: int
    features_written: int
    renamed_fields: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    losses: tuple[Loss, ...] = ()
    repaired: int = 0
    not_finite: int = 0
    collapsed: int = 0
    unreadable: int = 0
    left_out: tuple[NamedFeature, ...] = ()
    trimmed: int = 0
    without_position: int = 0
    straightened: int = 0
    transformation: str = ""
    area_transformation: str = ""
    accuracy_m: float | None = None
    tolerance_m: float | None = None
    area_tolerance_m: float | None = None
    area_m2: float = 0.0
    length_m: float = 0.0
    measured: str = ""
    full_copy: str = ""
    crs_wkt: str = ""
    source_version: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether no feature lies within the area."""
        return self.features_written == 0


@dataclass(frozen=True)
class LayerFailure:
    """A layer that is missing in the archive, why, and what to do about it."""

    name: str
    message: str
    hint: str = ""


@dataclass(frozen=True)
class ExtractionResult:
    """The archive that was made, its size, a report on each layer, and those that are missing."""

    archive: Path
    size_bytes: int
    layers: tuple[LayerReport, ...]
    notes: tuple[str, ...] = ()
    failures: tuple[LayerFailure, ...] = ()

    @property
    def features_written(self) -> int:
        """The number of features in the archive, over all layers."""
        return sum(layer.features_written for layer in self.layers)


def _check_fields(fields: Any) -> None:
    if fields is None:
        return
    if not isinstance(fields, list | tuple) or not all(isinstance(name, str) for name in fields):
        raise RequestError(
            say('give the fields to keep as a list of names, such as ["name", "depth"]'),
            field="fields",
            value=fields,
        )
    repeated = [name for name, count in Counter(fields).items() if count > 1]
    if repeated:
        raise RequestError(
            say("'{repeated}' is listed twice; name each field once", repeated=quote(repeated[0])),
            field="fields",
            value=repeated[0],
        )


def _free_name(name: str, others: set[str]) -> str:
    found, number = name, 0
    while any(_may_clash(found.lower(), other) for other in others):
        number += 1
        found = f"{name}-{number}"
    return found


def _may_clash(name: str, other: str) -> bool:
    return other.startswith(name) and _ADDED.fullmatch(other[len(name) :]) is not None
