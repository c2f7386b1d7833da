"""What a GeoParquet holds, by what it says of itself and its row groups' statistics."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import shapely

from marinemap.errors import DatasetError, quote
from marinemap.extraction.geometry.curves import linear
from marinemap.extraction.geometry.readable import read_column
from marinemap.extraction.geometry.type_names import common_type, shown_types
from marinemap.extraction.geometry.wkb import dimensions
from marinemap.extraction.geoparquet.file import GeoParquet
from marinemap.extraction.geoparquet.layer import ParquetLayer
from marinemap.extraction.geoparquet.opened import opened
from marinemap.extraction.remote.address import Remote
from marinemap.sentences import say

# A file of any size must be described at once; its first features stand for the rest.
_LOOKED_AT = 100
_REMEMBERED = 256
# In the units of the coordinates: a centimetre, where they are degrees.
_ARC_TOLERANCE = 1e-7
Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class FileDescription:
    """What a file holds; ``stated_crs`` is WKT, none where the file knows none."""

    stated_crs: tuple[str, ...]
    bounds: Bounds | None
    geometry_type: str
    fields: tuple[tuple[str, str], ...]
    feature_count: int


@lru_cache(_REMEMBERED)
def describe_file(place: Path | Remote, fingerprint: str) -> FileDescription:
    """Read what a file holds.

    Its geometries are read only where neither it nor its statistics say where they lie.

    Parameters
    ----------
    place : Path or Remote
    fingerprint : str
        Of its state, for which the answer is kept.

    Raises
    ------
    DatasetError
        If it cannot be served.
    """
    with opened(place) as file:
        if isinstance(place, Remote) and file.geometry.sides is None:
            raise DatasetError(
                say(
                    "{name} keeps no boxes of its features, so that all of it would be fetched for "
                    "each extract",
                    name=place.name,
                ),
                field="source",
                hint=say(
                    "Write it with them, for instance by GeoPandas: to_parquet(..., "
                    "write_covering_bbox=True, row_group_size=20_000); or keep it on a disk of "
                    "this machine."
                ),
            )
        names = [column.name for column in file.fields]
        _check_differ(file, names)
        _check_plain(file, names)
        return FileDescription(
            stated_crs=(file.geometry.stated_crs,) if file.geometry.stated_crs else (),
            bounds=_bounds(file, place) if file.rows else None,
            geometry_type=_geometry_type(file, place),
            fields=tuple((column.name, column.word) for column in file.fields),
            feature_count=file.rows,
        )


def _check_differ(file: GeoParquet, names: list[str]) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DatasetError(
            say(
                "{title} has {count} columns named '{repeated}', which nobody can tell apart",
                title=file.title,
                count=names.count(repeated[0]),
                repeated=quote(repeated[0]),
            ),
            field="source",
            value=repeated[0],
        )


def _check_plain(file: GeoParquet, names: list[str]) -> None:
    # PostgreSQL's JSON has no zero byte, nor has a name in any file that an extract writes.
    odd = next((name for name in names if "\0" in name), None)
    if odd is not None:
        raise DatasetError(
            say(
                "a column of {title} is called '{name}', with a zero byte in its name",
                title=file.title,
                name=quote(odd),
            ),
            field="source",
            value=odd,
        )


def _bounds(file: GeoParquet, place: Path | Remote) -> Bounds | None:
    """Return the box of all features: as stated, but no smaller than the columns of boxes say.

    Without such columns the stated one is not believed: files that were put together have the
    first one's, and hid what lies beyond.
    """
    if file.geometry.sides is None:
        return _bounds_of_all(place)
    found = [_stated(file.geometry.box)] if file.geometry.box else []
    groups = file.group_boxes
    if not np.isnan(groups).any() and np.isfinite(groups).all():
        found += [groups]
    if not found:
        return _bounds_of_all(place)
    every = np.concatenate([each.reshape(-1, 4) for each in found])
    return _around(every)


def _stated(box: Bounds) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    west, south, east, north = box
    # Across 180 degrees (RFC 7946, 5.2).
    return np.array([[-180.0, south, 180.0, north] if west > east else box])


def _bounds_of_all(place: Path | Remote) -> Bounds | None:
    found = []
    layer = ParquetLayer(place, columns=[])
    for batch in layer.stream({}):
        # The standard has no arcs, but files have them.
        column = linear(batch.column(0), _ARC_TOLERANCE).column
        boxes = shapely.bounds(read_column(column).geometries)
        sound = boxes[np.isfinite(boxes).all(axis=1)]
        if len(sound):
            found.append(_around(sound))
    return _around(np.array(found)) if found else None


def _around(boxes: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Bounds:
    (minx, miny), (maxx, maxy) = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    return float(minx), float(miny), float(maxx), float(maxy)


def _geometry_type(file: GeoParquet, place: Path | Remote) -> str:
    """Return the type that is stated; where several are or none, what the first features show."""
    stated = {type_.removesuffix(" Z") for type_ in file.geometry.types}
    has_z = any(type_.endswith(" Z") for type_ in file.geometry.types)
    if not stated and file.rows:
        with ParquetLayer(place, columns=[]).open({}, _LOOKED_AT) as (_, reader):
            column = pa.Table.from_batches(reader, reader.schema).column(0).combine_chunks()
        column = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
        stated, has_z = shown_types(column), bool(dimensions(column)[0].any())
    return f"3D {common_type(stated)}" if has_z else common_type(stated)
