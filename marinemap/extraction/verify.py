"""Read back what was written, with another GDAL than the one that wrote it."""

from __future__ import annotations

import struct
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fiona
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from fiona.errors import FionaError

from marinemap.errors import ServiceError
from marinemap.extraction.formats.written import WrittenLayer

_SHP_HEADER_BYTES = 100
_SHX_ENTRY_BYTES = 8
_NULL_SHAPE = 0
# The record's header comes before its type.
_TYPE_AT = 8
_ROWS_AT_ONCE = 16_384
# Bounds pass through no arithmetic but, in text formats, through decimal digits.
_BOUNDS_TOLERANCE = 1e-6
# Their readers add fields of their own, or find none where there is no feature.
_LOOSE_FIELDS = (".kml", ".csv", ".geojson")


@dataclass(frozen=True)
class _Found:
    fields: list[str]
    features: int
    bounds: tuple[float, float, float, float] | None


def verify(written: WrittenLayer) -> None:
    """Compare a file on disk with what was put in.

    fiona's wheel carries a GDAL of its own, so that one library's mistake is not hidden by the
    same mistake on reading. Of a shapefile every record's place and type is looked at besides.

    Raises
    ------
    ServiceError
        If a length, a count, a field name, the bounds or a geometry differs; the difference is
        named.
    """
    if written.path.suffix == ".shp":
        _check_shapefile(written.path, written.features)
    found = _parquet(written) if written.path.suffix == ".parquet" else _read_back(written)
    _expect(written, "features", found.features, written.features)
    if written.path.suffix not in _LOOSE_FIELDS:
        _expect(written, "fields", found.fields, list(written.fields.values()))
    if written.features and found.bounds and written.bounds:
        _expect_bounds(written, found.bounds, written.bounds)


def _plain(written: WrittenLayer, error: Exception) -> str:
    """Return an error's text without the server's folders."""
    return str(error).replace(f"{written.path.parent}/", "")


def _parquet(written: WrittenLayer) -> _Found:
    try:
        metadata = pq.read_metadata(written.path)
    except (OSError, pa.ArrowException) as error:
        raise ServiceError(
            f"{written.path.name} cannot be read back: {_plain(written, error)}"
        ) from error
    return _Found(metadata.schema.to_arrow_schema().names[:-1], metadata.num_rows, None)


def _read_back(written: WrittenLayer) -> _Found:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with fiona.open(written.path, allow_unsupported_drivers=True) as source:
                return _look(source, written)
    except (FionaError, UnicodeDecodeError, ValueError, OSError) as error:
        raise ServiceError(
            f"{written.path.name} cannot be read back: {_plain(written, error)}"
        ) from error


def _look(source: Any, written: WrittenLayer) -> _Found:
    names = list(source.schema["properties"])
    count = _count(source)
    for index in {0, count - 1} if count else ():
        feature = source[index] if written.path.suffix == ".shp" else next(iter(source))
        if feature.geometry is None:
            raise ServiceError(f"{written.path.name}: feature {index} reads back without geometry")
    # A table without columns is not allowed in DBF, so FID is added.
    fields = names if written.fields else []
    return _Found(fields, count, tuple(source.bounds) if count else None)


def _count(source: Any) -> int:
    try:
        return len(source)
    except TypeError:
        # A FlatGeobuf without features does not state their number.
        return sum(1 for _ in source)


def _check_shapefile(path: Path, features: int) -> None:
    """Compare the lengths in the headers with the files, and look at the type of each record."""
    found = path.stat().st_size
    with path.open("rb") as file:
        stated = struct.unpack(">I", file.read(_SHP_HEADER_BYTES)[24:28])[0] * 2
    if stated != found:
        raise ServiceError(f"{path.name} has {found:,} bytes; its header says {stated:,}")
    listed = path.with_suffix(".shx").stat().st_size - _SHP_HEADER_BYTES
    if listed != features * _SHX_ENTRY_BYTES:
        listed //= _SHX_ENTRY_BYTES
        raise ServiceError(f"{path.stem}.shx lists {listed:,} of {features:,} features")
    _check_records(path, found)
    _check_table(path.with_suffix(".dbf"), features)


def _check_records(path: Path, size: int) -> None:
    """Follow the records through the file, by their places in the .shx, some at a time."""
    end = _SHP_HEADER_BYTES
    missing = 0
    with path.open("rb") as records, path.with_suffix(".shx").open("rb") as index:
        index.seek(_SHP_HEADER_BYTES)
        while entries := index.read(_ROWS_AT_ONCE * _SHX_ENTRY_BYTES):
            places, lengths = np.frombuffer(entries, ">i4").reshape(-1, 2).T.astype(np.int64) * 2
            follows = np.concatenate([[end], places + _TYPE_AT + lengths])
            if (follows[:-1] != places).any() or follows[-1] > size:
                raise ServiceError(f"{path.stem}.shx does not match the records of {path.name}")
            records.seek(end)
            data = np.frombuffer(records.read(follows[-1] - end), np.uint8)
            missing += int((data[places - end + _TYPE_AT] == _NULL_SHAPE).sum())
            end = int(follows[-1])
    if end != size:
        raise ServiceError(f"{path.stem}.shx does not match the records of {path.name}")
    if missing:
        raise ServiceError(f"{path.name} holds {missing:,} features without geometry")


def _check_table(path: Path, features: int) -> None:
    with path.open("rb") as file:
        head = file.read(12)
    count, header, record = struct.unpack("<IHH", head[4:12])
    expected = header + count * record + 1
    found = path.stat().st_size
    if (count, expected) != (features, found):
        raise ServiceError(
            f"{path.name} states {count:,} rows in {expected:,} bytes; {features:,} rows were "
            f"written in {found:,}"
        )


def _expect(written: WrittenLayer, what: str, found: Any, expected: Any) -> None:
    if found != expected:
        raise ServiceError(
            f"{written.path.name} reads back with other {what} than were written: {found} "
            f"instead of {expected}"
        )


def _expect_bounds(written: WrittenLayer, found: Any, expected: Any) -> None:
    scale = max(1.0, *(abs(number) for number in expected))
    if max(abs(f - e) for f, e in zip(found, expected, strict=True)) > scale * _BOUNDS_TOLERANCE:
        _expect(written, "bounds", found, expected)
