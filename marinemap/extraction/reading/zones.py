"""Zones of moments, where a file keeps one with each value and GDAL's columns know of none.

GDAL gives such a column as moments without a zone, each with the hours and minutes that it has in
its own: an hour of Paris and one of London are the same then (3.12; FlatGeobuf, CSV, GML, SQLite).
As texts it gives them with their zones.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from math import inf
from pathlib import Path
from threading import Lock
from typing import Any

import pyarrow as pa
import pyogrio

from marinemap.errors import DatasetError, UnavailableError
from marinemap.extraction.dataset import Dataset
from marinemap.extraction.memory import return_what_was_freed
from marinemap.extraction.reading.layer_names import quietly
from marinemap.extraction.reading.moment_texts import moments_of, zones_in
from marinemap.extraction.sources import source_format_of
from marinemap.extraction.sources.source_files import fingerprint
from marinemap.extraction.sources.table_encoding import encoding_of
from marinemap.sentences import say

_UTC = "UTC"
Zones = Mapping[str, str]
# Of those who may look for a limited time only one does: the others wait for what it finds.
_looking = Lock()


def zones_of(dataset: Dataset) -> Zones:
    """Return the zone of each field of moments of which some bear one.

    The zone that all of them have, such as ``+05:30``; where they differ, or some have none,
    ``UTC``. Reads these fields of every feature where the dataset does not know the zones of the
    file's state; a process keeps what it found.

    Raises
    ------
    UnavailableError
        If the dataset limits the time, and it was not enough.
    OSError, pyogrio's errors or pyarrow.ArrowException
        If GDAL cannot read them.
    """
    path = dataset.file
    if source_format_of(path).has_one_zone:
        return {}
    state = fingerprint(path)
    return known_or_found(dataset, state, partial(_found, path, dataset.layer, state))


def known_or_found(dataset: Dataset, state: str, find: Callable[[float], Zones]) -> Zones:
    """Return the zones that a dataset knows of a state, or those that are found.

    Parameters
    ----------
    dataset : Dataset
    state : str
        The fingerprint of the data as they are.
    find : callable
        Takes how many seconds there are; raises TimeoutError where they are not enough.

    Raises
    ------
    UnavailableError
        If the dataset limits the time, and it was not enough.
    """
    known = dataset.known_zones
    if known is not None and known.state == state and known.zones is not None:
        return dict(known.zones)
    if known is None or known.seconds is None:
        return find(inf)
    return _found_within(known.seconds, dataset, find)


def zones_in_files(paths: Iterable[Path], layer: str, names: list[str], seconds: float) -> Zones:
    """Return the zones of fields of moments of a layer that comes in several files.

    Raises
    ------
    TimeoutError
        If they are more than can be read in time.
    OSError, pyogrio's errors or pyarrow.ArrowException
        If GDAL cannot read them.
    """
    found: dict[str, set[str | None]] = {name: set() for name in names}
    deadline = time.monotonic() + seconds
    for path in paths:
        for name, zones in _read(path, names, _opened_as(path, layer), deadline).items():
            found[name] |= zones
    return _common_of(found)


def in_their_zones(batch: Any, zones: Zones, title: str) -> Any:
    """Return a batch or table whose moments GDAL gave as texts with moments in their zones.

    Raises
    ------
    DatasetError
        If a text is no moment.
    """
    for at, field in enumerate(batch.schema):
        if _is_moment(field):
            column = moments_of(batch.column(at), zones.get(field.name), f"{title}: {field.name}")
            batch = batch.set_column(at, pa.field(field.name, column.type), column)
    return batch


def schema_in_zones(schema: Any, zones: Zones) -> Any:
    """Return the schema of what ``in_their_zones`` returns."""
    for at, field in enumerate(schema):
        if _is_moment(field):
            type_ = pa.timestamp("ms", zones.get(field.name))
            schema = schema.set(at, pa.field(field.name, type_))
    return schema


def _found_within(seconds: float, dataset: Dataset, find: Callable[[float], Zones]) -> Zones:
    if not _looking.acquire(timeout=seconds):
        raise _not_read_yet(dataset)
    try:
        return find(seconds)
    except TimeoutError as error:
        raise _not_read_yet(dataset) from error
    finally:
        _looking.release()


def _not_read_yet(dataset: Dataset) -> UnavailableError:
    return UnavailableError(
        say(
            "the data of {title} are others than a moment ago, and not read yet",
            title=dataset.title,
        ),
        field="layers",
        value=dataset.layer,
        hint=say("Try again in a minute."),
    )


@lru_cache(maxsize=1024)
def _found(path: Path, layer: str, state: str, seconds: float) -> Zones:
    of_layer = _opened_as(path, layer)
    with quietly():
        info = pyogrio.read_info(path, **of_layer)
        types = zip(info["fields"].tolist(), info["ogr_types"], strict=True)
        names = [name for name, type_ in types if type_ == "OFTDateTime"]
        if source_format_of(path).is_held:
            return_what_was_freed()
        try:
            found = _read(path, names, of_layer, time.monotonic() + seconds) if names else {}
        except DatasetError:
            # Of some formats it is told with the line as well.
            source_format_of(path).check(path)
            raise
    return _common_of(found)


def _opened_as(path: Path, layer: str) -> dict[str, Any]:
    options = source_format_of(path).options(path)
    return {"layer": layer, "encoding": encoding_of(path), **options}


def _common_of(found: Mapping[str, set[str | None]]) -> Zones:
    return {name: _common(zones) for name, zones in found.items() if zones - {None}}


def _read(
    path: Path, names: list[str], of_layer: dict[str, Any], deadline: float
) -> dict[str, set[str | None]]:
    found: dict[str, set[str | None]] = {name: set() for name in names}
    options = {"read_geometry": False, "use_pyarrow": True, "datetime_as_string": True}
    with pyogrio.open_arrow(path, columns=names, **of_layer, **options) as (_, reader):
        for batch in reader:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{path.name} has more moments than can be read in time")
            for name in names:
                texts = batch.column(batch.schema.get_field_index(name))
                found[name] |= zones_in(texts, f"{path.name}: {name}")
    return found


def _common(zones: Iterable[str | None]) -> str:
    first, *others = zones
    return _UTC if others or first is None or first == "Z" else first


def _is_moment(field: Any) -> bool:
    return (field.metadata or {}).get(b"GDAL:OGR:type") == b"DateTime"
