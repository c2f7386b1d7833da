"""Whether the table of a shapefile is whole."""

from __future__ import annotations

import calendar
import itertools
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from marinemap.errors import DatasetError, quote
from marinemap.extraction.sources.source import damaged, of_other_length
from marinemap.sentences import say

# dBASE III: a header of 32 bytes, 32 for each column, a mark at its end. Visual FoxPro adds the
# path of a database; others a byte or two of zeros.
_FIXED_BYTES, _COLUMN_BYTES = 32, 32
_END_OF_COLUMNS = 0x0D
_FOXPRO_PATH_BYTES = 263
_KIND_AT, _WIDTH_AT, _DECIMALS_AT = 11, 16, 17
_KINDS = b"CNFLDIMBGPOTWY@+V0Q"
# Memos, OLE objects, pictures, bytes of dBase 5: places in a .dbt or .fpt.
_KEPT_ELSEWHERE = "MGPB"
_BLOCK_BYTES = 1 << 22
# Blanks and zeros, or filler, stand for null.
_VALUES = {
    "D": re.compile(rb"(\d{8}|[ 0\0*]*)", re.DOTALL),
    "L": re.compile(rb"[TtYyFfNn01? \0*]*", re.DOTALL),
}
# What stands where no date is known.
FILLER = b" 0\0*"
# Of a date that is not known to the day, or to the month: zeros or blanks in their place.
INCOMPLETE_DATE = re.compile(rb"(?!0{4})\d{4}(0[1-9]|1[0-2]|00|  )(00|  )")
_WORDS = {"N": "number", "F": "number", "D": "date", "L": "truth value"}
# GDAL reads numbers without decimals as whole ones, where they are not so wide.
_WIDEST_WHOLE = 18
_WHOLE = re.compile(rb"[+-]?\d+(\.0*)?")
# Of dBase 7 and Visual FoxPro: numbers, moments, which rows are null, as bytes, which GDAL reads as
# texts; and numbers that share their letter with dBase 5's bytes.
_BINARY = "IO+@TYQW0"
_DOUBLE = ("B", 8)


def check_table(path: Path, records: int) -> None:
    """Compare what the header of a .dbf states with the file and with its columns.

    Raises
    ------
    DatasetError
        If it is cut or damaged, or has another number of rows than there are records.
    """
    count, header, row = lengths_of(path)
    with path.open("rb") as file:
        file.seek(_FIXED_BYTES)
        columns = file.read(max(0, header - _FIXED_BYTES))
    if count != records:
        raise damaged(
            path, say("has {count:,} rows for {records:,} geometries", count=count, records=records)
        )
    _check_columns(path, columns, row)


def lengths_of(path: Path) -> tuple[int, int, int]:
    """Return how many rows a table has, and how many bytes its header and each row take.

    Raises
    ------
    DatasetError
        If it has no header, or fewer bytes than that states.
    """
    with path.open("rb") as file:
        head = file.read(_FIXED_BYTES)
    if len(head) < _FIXED_BYTES:
        raise damaged(path, say("has no table header"))
    count, header, row = struct.unpack("<IHH", head[4:12])
    stated, found = header + count * row, path.stat().st_size
    if found < stated or row == 0:
        raise of_other_length(path, found, stated)
    return count, header, row


@dataclass(frozen=True)
class Place:
    """Where a column of a table is in each row, and what it holds."""

    kind: str
    begin: int
    width: int

    @property
    def is_elsewhere(self) -> bool:
        """Whether the values are in another file, and here their places."""
        return self.kind in _KEPT_ELSEWHERE


def places_of(path: Path) -> list[Place]:
    """Return where the columns of a table are, in their order."""
    _, header, row = lengths_of(path)
    with path.open("rb") as file:
        columns = _read_columns(file, header)
    return [
        Place(chr(column[_KIND_AT]), begin, width) for column, begin, width in _placed(columns, row)
    ]


def _read_columns(file: BinaryIO, header: int) -> list[bytes]:
    file.seek(_FIXED_BYTES)
    return _columns(file.read(header - _FIXED_BYTES))


def _placed(columns: list[bytes], row: int) -> list[tuple[bytes, int, int]]:
    """Return columns with where each begins in a row, and how wide it is."""
    widths = [_width(column, row, columns) for column in columns]
    begins = itertools.accumulate(widths, initial=1)
    return list(zip(columns, begins, widths, strict=False))


def check_values(path: Path) -> None:
    """Look whether the numbers, dates and truth values of a .dbf are any.

    GDAL reads what it can of a damaged number: ``1.#IND`` becomes 1, a letter 0, and of a whole one
    what is before the point.

    Raises
    ------
    DatasetError
        If one is not; the field and the value are named.
    """
    count, header, row = lengths_of(path)
    with path.open("rb") as file:
        placed = _placed(_read_columns(file, header), row)
        file.seek(header)
        at_once = max(1, _BLOCK_BYTES // row)
        for first in range(0, count, at_once):
            rows = min(at_once, count - first)
            data = np.frombuffer(file.read(rows * row), np.uint8).reshape(rows, row)
            for column, begin, width in placed:
                _check_column(path, column, data[:, begin : begin + width])


def _check_columns(path: Path, columns: bytes, row: int) -> None:
    found = _columns(columns)
    rest = columns[len(found) * _COLUMN_BYTES + 1 :]
    if any(rest) and len(rest) != _FOXPRO_PATH_BYTES:
        raise damaged(path, say("has a header whose length does not fit its columns"))
    for column in found:
        if column[_KIND_AT] not in _KINDS:
            kind = quote(chr(column[_KIND_AT]))
            raise damaged(path, say("has a column of type '{kind}', which there is not", kind=kind))
        _check_is_text(path, column)
        _check_is_short(path, column, _width(column, row, found))
    widths = 1 + sum(_width(column, row, found) for column in found)
    if row != widths:
        raise damaged(
            path, say("has rows of {row:,} bytes for columns of {widths:,}", row=row, widths=widths)
        )


def _check_is_text(path: Path, column: bytes) -> None:
    kind = chr(column[_KIND_AT])
    if kind in _BINARY or (kind, column[_WIDTH_AT]) == _DOUBLE:
        raise DatasetError(
            say(
                "{name} keeps field '{field}' as bytes (type {kind} of dBase 7 or Visual FoxPro), "
                "which are not read",
                name=path.name,
                field=_name_of(column),
                kind=quote(kind),
            ),
            field="source",
            value=path.name,
            hint=say("Write the layer anew with a field of text (C) in its place, or without it."),
        )


def _check_is_short(path: Path, column: bytes, width: int) -> None:
    """Refuse texts that are longer than GDAL reads, which takes the fields behind for others."""
    if width == column[_WIDTH_AT]:
        return
    raise DatasetError(
        say(
            "{name} keeps texts of {width:,} letters in field '{field}' (as Clipper and FoxPro "
            "do), of which {read:,} would be read",
            name=path.name,
            width=width,
            field=_name_of(column),
            read=column[_WIDTH_AT],
        ),
        field="source",
        value=path.name,
        hint=say("Bring the layer to a GeoPackage with the program that wrote it."),
    )


def _columns(columns: bytes) -> list[bytes]:
    each = range(0, len(columns), _COLUMN_BYTES)
    # Some programs leave the mark out.
    whole = len(columns) // _COLUMN_BYTES * _COLUMN_BYTES
    end = next((at for at in each if columns[at] == _END_OF_COLUMNS), whole)
    return [columns[at : at + _COLUMN_BYTES] for at in range(0, end, _COLUMN_BYTES)]


def _width(column: bytes, row: int, columns: list[bytes]) -> int:
    """Return a column's width; Clipper keeps the upper half of a long text's with its decimals."""
    width = column[_WIDTH_AT]
    if row == 1 + sum(each[_WIDTH_AT] for each in columns) or column[_KIND_AT] != ord("C"):
        return width
    return width + 256 * column[_WIDTH_AT + 1]


def _check_column(path: Path, column: bytes, data: Any) -> None:
    kind = chr(column[_KIND_AT])
    if kind in _KEPT_ELSEWHERE:
        _check_nothing_kept(path, column, data)
    if kind not in "NFDL" or data.size == 0:
        return
    texts = np.ascontiguousarray(data).view(f"S{data.shape[1]}").ravel()
    if kind in "NF":
        _refuse(path, column, *_first_odd_number(texts, _is_whole(column, data.shape[1])))
        return
    odd = (text for text in np.unique(texts) if not _is_value(kind, text.ljust(data.shape[1])))
    _refuse(path, column, next(odd, None), _WORDS[kind])


def _is_value(kind: str, text: bytes) -> bool:
    if not _VALUES[kind].fullmatch(text):
        return kind == "D" and INCOMPLETE_DATE.fullmatch(text) is not None
    if kind != "D" or not text.strip(FILLER) or INCOMPLETE_DATE.fullmatch(text):
        return True
    year, month, day = int(text[:4]), int(text[4:6]), int(text[6:8])
    # The year 0 is a leap year, as 2000 is; Python knows none.
    return 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year or 2000, month)[1]


def _is_whole(column: bytes, width: int) -> bool:
    return column[_DECIMALS_AT] == 0 and width <= _WIDEST_WHOLE


def _refuse(path: Path, column: bytes, odd: bytes | None, kind: str) -> None:
    if odd is None:
        return
    raise damaged(
        path,
        say(
            "holds '{value}' in field '{name}', which is no {kind}",
            value=quote(odd.decode("latin-1").strip()),
            name=_name_of(column),
            kind=kind,
        ),
    )


def _check_nothing_kept(path: Path, column: bytes, data: Any) -> None:
    """Refuse a memo that is no empty one: GDAL reads the number of its block as its text."""
    if np.isin(data, np.frombuffer(b" 0\0", np.uint8)).all():
        return
    raise DatasetError(
        say(
            "{name} keeps the texts of field '{field}' in another file (memo), which is not read",
            name=path.name,
            field=_name_of(column),
        ),
        field="source",
        value=path.name,
        hint=say("Write the layer anew with a field of text (C) in its place, or without it."),
    )


def _name_of(column: bytes) -> str:
    return quote(column[:_KIND_AT].split(b"\0")[0].decode("latin-1"))


def _first_odd_number(texts: Any, is_whole: bool) -> tuple[bytes | None, str]:
    """Return a text that is neither a number nor filler, None where there is none; and its kind."""
    plain = np.char.lstrip(np.char.strip(texts, b" \0"), b"+")
    some = plain[(plain != b"") & (np.char.strip(plain, b"*") != b"")]
    strings = pa.array(some, pa.binary())
    try:
        if is_whole and _casts(strings, pa.int64()):
            return None, ""
        strings.cast(pa.string()).cast(pa.float64())
    except pa.ArrowInvalid:
        odd = next((bytes(text) for text in some if not _is_number(text)), bytes(some[0]))
        return odd, "number"
    if not is_whole:
        return None, ""
    return next((bytes(text) for text in some if not _WHOLE.fullmatch(text)), None), "whole number"


def _casts(strings: Any, type_: Any) -> bool:
    try:
        strings.cast(pa.string()).cast(type_)
    except pa.ArrowInvalid:
        return False
    return True


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
