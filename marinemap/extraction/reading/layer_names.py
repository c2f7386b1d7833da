"""The layers of a vector file by their names, and why a file cannot be read at all."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError

from marinemap.errors import DatasetError, did_you_mean
from marinemap.extraction.sources import is_parquet, source_format_of
from marinemap.extraction.sources.first_look import look_first
from marinemap.extraction.sources.shapefile_check import check_headers
from marinemap.extraction.sources.source_files import (
    check_is_file,
    fingerprint,
    real_path,
    without_folder,
)
from marinemap.sentences import say

# What GDAL fails by, as pyogrio hands it on.
OPENING_ERRORS = (DataSourceError, DataLayerError, ValueError, OSError)


@dataclass(frozen=True)
class FoundLayer:
    """A layer that a source holds: its name, and its type of geometry as GDAL says it.

    ``refusal`` is why it cannot be served, as far as that can be told without reading it.
    """

    name: str
    geometry_type: str = ""
    refusal: str = ""


def list_layers(path: Path) -> list[str]:
    """Return the names of the layers in a vector file.

    Raises
    ------
    DatasetError
        If there is no such file, it is damaged, or GDAL cannot read it.
    """
    return [layer.name for layer in find_layers(path)]


def find_layers(path: Path) -> list[FoundLayer]:
    """Return the layers in a vector file.

    Raises
    ------
    DatasetError
        As :func:`list_layers` does.
    """
    check_is_file(path)
    look_first(real_path(path), fingerprint(path))
    if is_parquet(path):
        # It holds one, and is opened to be described.
        return [FoundLayer(path.stem)]
    try:
        if path.suffix.lower() == ".shp":
            check_headers(path)
        with quietly():
            return [found_layer(name, kind) for name, kind in _listed(path)]
    except OPENING_ERRORS as error:
        raise unreadable(path, error) from error


def _listed(path: Path) -> Iterator[tuple[str, str | None]]:
    source = source_format_of(path)
    options, points = source.options(path), source.points(path)
    for name, kind in pyogrio.list_layers(source.name_for_gdal(path)):
        if options and kind is None:
            # Without them, which list_layers does not take, it is a table.
            more = points.names_for_gdal if points else {}
            kind = pyogrio.read_info(path, layer=name, **options, **more)["geometry_type"]
        yield name, kind


def found_layer(name: object, kind: object) -> FoundLayer:
    """Return what GDAL lists as a layer: without a type of geometry it is a table."""
    refusal = "" if kind else "it has no geometry: it is a table, not a map layer"
    return FoundLayer(str(name), str(kind or ""), refusal)


def pick_layer(path: Path, layer: str | None) -> str:
    """Return a layer's name; it may be left out where the file holds one layer.

    Raises
    ------
    DatasetError
        If there is no such layer, or the file cannot be read.
    """
    return pick_among(list_layers(path), path, layer)


def pick_among(known: Sequence[str], path: Path, layer: str | None) -> str:
    """Return a layer's name as :func:`pick_layer` does, of a file whose layers are known.

    Raises
    ------
    DatasetError
        If there is no such layer, or several and none is named.
    """
    listed = ", ".join(f"'{name}'" for name in known)
    if layer is None and len(known) == 1:
        return known[0]
    if layer is None:
        raise DatasetError(
            say(
                "{name} holds {count} layers: {listed}; say which",
                name=path.name,
                count=len(known),
                listed=listed,
            ),
            field="layer",
        )
    if layer not in known:
        raise DatasetError(
            say(
                "no layer '{layer}' in {name}; it has {listed}.{nearest}",
                layer=layer,
                name=path.name,
                listed=listed,
                nearest=did_you_mean(layer, known),
            ),
            field="layer",
            value=layer,
        )
    return layer


@contextmanager
def quietly() -> Iterator[None]:
    """Pass over pyogrio's warnings: of measures, which come all the same, of odd fields."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def unreadable(path: Path, error: Exception) -> DatasetError:
    """Return what to say of a file that GDAL cannot read."""
    return DatasetError(
        say(
            "{name} cannot be read as vector data: {without_folder}",
            name=path.name,
            without_folder=without_folder(error, path),
        ),
        field="source",
        value=path.name,
    )
