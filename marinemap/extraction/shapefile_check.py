"""Whether a shapefile is whole: GDAL reads a damaged one without a word, with features missing."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from marinemap.errors import DatasetError

_HEADER_BYTES = 100
_FILE_CODE = 9994
_ROWS_AT_ONCE = 16_384
_NULL_SHAPE = 0
# Shape types with parts (Esri, ShapefileTechnical Description, 1998, page 4).
_POLYLINE, _POLYGON, _MULTIPOINT = 3, 5, 8


def check_headers(path: Path) -> None:
    """Compare the lengths that the three files of a shapefile state with what they are.

    Raises
    ------
    DatasetError
        If one is cut or damaged; the file and the lengths are named.
    """
    stated, found = _stated_length(path), path.stat().st_size
    if stated != found:
        raise _damaged(path, f"is {found:,} bytes long but its header says {stated:,}")
    records: int | None = None
    shx, dbf = (_companion(path, suffix) for suffix in (".shx", ".dbf"))
    if shx is not None:
        stated, found = _stated_length(shx), shx.stat().st_size
        if stated != found:
            raise _damaged(shx, f"is {found:,} bytes long but its header says {stated:,}")
        records = (found - _HEADER_BYTES) // 8
    if dbf is not None:
        _check_table(dbf, records)


def check_records(path: Path) -> None:
    """Follow the index of a shapefile to each record and compare its length, type and counts.

    Raises
    ------
    DatasetError
        If a record is not where or what the index says.
    """
    shx = _companion(path, ".shx")
    if shx is None:
        return
    index = np.fromfile(shx, ">i4", offset=_HEADER_BYTES).reshape(-1, 2).astype(np.int64) * 2
    size = path.stat().st_size
    begins, lengths = index[:, 0], index[:, 1]
    if ((begins < _HEADER_BYTES) | (lengths < 4) | (begins + 8 + lengths > size)).any():
        raise _damaged(shx, "points outside of its .shp")
    with path.open("rb") as file:
        file_type = struct.unpack("<i", file.read(_HEADER_BYTES)[32:36])[0]
        for first in range(0, len(index), _ROWS_AT_ONCE):
            _check_block(path, file, index[first : first + _ROWS_AT_ONCE], file_type)


def _check_block(path: Path, file: Any, index: Any, file_type: int) -> None:
    begins, lengths = index[:, 0], index[:, 1]
    start = int(begins.min())
    file.seek(start)
    data = file.read(int((begins + 8 + lengths).max()) - start)
    padded = np.frombuffer(data + bytes(64), np.uint8)
    at = begins - start
    kinds = _integers(padded, at + 8, "<i4")
    odd = (_integers(padded, at + 4, ">i4") * 2 != lengths) | (
        (kinds != file_type) & (kinds != _NULL_SHAPE)
    )
    plain = kinds % 10
    counted = np.isin(plain, (_POLYLINE, _POLYGON)) & (kinds < 10)
    parts, points = _integers(padded, at + 44, "<i4"), _integers(padded, at + 48, "<i4")
    odd |= counted & (44 + 4 * parts.astype(np.int64) + 16 * points.astype(np.int64) != lengths)
    several = plain == _MULTIPOINT
    odd |= several & (kinds < 10) & (40 + 16 * parts.astype(np.int64) != lengths)
    if odd.any():
        raise _damaged(path, f"has {int(odd.sum()):,} records that differ from its index")


def _integers(data: Any, places: Any, kind: str) -> Any:
    return data[places[:, None] + np.arange(4)].view(kind).ravel()


def _check_table(path: Path, records: int | None) -> None:
    with path.open("rb") as file:
        head = file.read(12)
    if len(head) < 12:
        raise _damaged(path, "has no table header")
    count, header, row = struct.unpack("<IHH", head[4:12])
    found = path.stat().st_size
    if found < header + count * row or row == 0:
        raise _damaged(
            path, f"is {found:,} bytes long but its header says {header + count * row:,}"
        )
    if records is not None and count != records:
        raise _damaged(path, f"has {count:,} rows for {records:,} geometries")


def _stated_length(path: Path) -> int:
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES)
    if len(head) < _HEADER_BYTES or struct.unpack(">i", head[:4])[0] != _FILE_CODE:
        raise DatasetError(f"{path.name} has no shapefile header", field="source", value=path.name)
    # Bytes 24-27: the length in 16-bit words, big-endian.
    return int(struct.unpack(">I", head[24:28])[0]) * 2


def _companion(path: Path, suffix: str) -> Path | None:
    for candidate in (path.with_suffix(suffix), path.with_suffix(suffix.upper())):
        if candidate.exists():
            return candidate
    return None


def _damaged(path: Path, what: str) -> DatasetError:
    return DatasetError(
        f"{path.name} {what}: it is cut or damaged; ask for a whole copy",
        field="source",
        value=path.name,
    )
