"""Read what a layer holds, and refuse what cannot be served."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from marinemap.errors import DatasetError, quote
from marinemap.extraction.dataset import Dataset, Field
from marinemap.extraction.place import Place
from marinemap.extraction.postgis.table import Table
from marinemap.extraction.reading.described_file import describe_file as describe_by_gdal
from marinemap.extraction.reading.layer_names import (
    OPENING_ERRORS,
    pick_layer,
    quietly,
    unreadable,
)
from marinemap.extraction.reading.stated_crs import first_known
from marinemap.extraction.remote.address import Remote
from marinemap.extraction.sources import source_format_of
from marinemap.extraction.sources.source_files import fingerprint, one_state, real_path
from marinemap.sentences import say

if TYPE_CHECKING:
    from marinemap.extraction.geoparquet.described import FileDescription
    from marinemap.extraction.postgis.described import TableDescription

_REMEMBERED = 256


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
            return describe_by_gdal(path, name)
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

    found = describe_table(table)
    return replace(_as_told(table, table.layer, found), placed_count=found.placed_count)


def _described_parquet(path: Path, name: str) -> Dataset:
    # Imported here: it takes long to import, and other files need none of it.
    from marinemap.extraction.geoparquet.described import describe_file

    return _as_told(path, name, describe_file(path, fingerprint(path)))


def _described_remote(remote: Remote, layer: str | None) -> Dataset:
    if not source_format_of(remote).is_parquet:
        return _described_fetched(remote, layer)
    _check_layer(remote, remote.stem, layer)
    # Imported here, as above.
    from marinemap.extraction.geoparquet.described import describe_file

    with one_state(remote) as place:
        found = describe_file(place, fingerprint(place))
    return _as_told(remote, remote.stem, found)


def _described_fetched(remote: Remote, layer: str | None) -> Dataset:
    with one_state(remote) as place:
        found = _fetched(place)
    _check_layer(remote, found.layer, layer)
    return replace(found, path=remote)


@lru_cache(_REMEMBERED)
def _fetched(place: Remote) -> Dataset:
    # Imported here, as above.
    from marinemap.extraction.reading.fetched import first_features

    with first_features(place) as (path, bounds, count):
        return replace(describe(path), bounds=bounds, feature_count=count)


def _check_layer(remote: Remote, known: str, layer: str | None) -> None:
    if layer not in (None, known):
        raise DatasetError(
            say(
                "{name} holds the layer '{known}', not '{layer}'",
                name=remote.name,
                known=quote(known),
                layer=quote(layer),
            ),
            field="layer",
            value=layer,
        )


def _as_told(path: Place, name: str, found: TableDescription | FileDescription) -> Dataset:
    return Dataset(
        path=path,
        layer=name,
        crs=first_known(found.stated_crs, found.bounds, path, name),
        bounds=found.bounds,
        geometry_type=found.geometry_type,
        fields=tuple(Field(field, type_) for field, type_ in found.fields),
        feature_count=found.feature_count,
    )
