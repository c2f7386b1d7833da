"""The .dbf file of a shapefile, written column by column from Arrow (dBASE III)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from marinemap.errors import RequestError
from marinemap.sentences import say

# The header's record length is an unsigned 16-bit number; GDAL 3.12 lets it wrap round and
# writes a table that reads back without columns.
MAX_RECORD_BYTES = 65_535
# Esri, "Geoprocessing considerations for shapefile output": 255 columns.
MAX_FIELDS = 255
_VERSION = 3
_END_OF_FILE = b"\x1a"
# Rows are up to 64 kB long.
_CHUNK_BYTES = 1 << 24
_FILLER = {"C": b"", "N": b"*", "L": b"?", "D": b"00000000"}

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class DbfColumn:
    """A column: its name of at most ten ASCII letters, type letter, width and decimals."""

    name: str
    kind: str
    width: int
    decimals: int = 0


class DbfWriter:
    """A .dbf that grows row by row; texts and integers widen their column when they must.

    Parameters
    ----------
    path : Path
        Ends in ``.dbf``.
    columns : sequence of DbfColumn
        At least one. Widths are the least; they grow.
    made_on : date
        Stands in the header.

    Raises
    ------
    RequestError
        If a row is longer than 65,535 bytes.
    """

    def __init__(self, path: Path, columns: Sequence[DbfColumn], made_on: date) -> None:
        self._path = path
        self._columns = list(columns)
        self._made_on = made_on
        self.count = 0
        self._check_width()
        self._file = path.open("w+b")
        self._file.write(bytes(self.header_bytes))

    @property
    def record_bytes(self) -> int:
        """The length of a row: one byte for the mark of deletion, then the columns."""
        return 1 + sum(column.width for column in self._columns)

    @property
    def header_bytes(self) -> int:
        """The length of the header: 32 bytes, 32 for each column, one at the end."""
        return 32 * (len(self._columns) + 1) + 1

    @property
    def size_bytes(self) -> int:
        """The length of the file when it is closed now."""
        return self.header_bytes + self.count * self.record_bytes + len(_END_OF_FILE)

    def size_with(self, texts: Sequence[Any]) -> int:
        """Return the file's length in bytes were these rows added."""
        widths = [max(c.width, _longest(t)) for c, t in zip(self._columns, texts, strict=True)]
        rows = self.count + len(texts[0])
        return self.header_bytes + rows * (1 + sum(widths)) + len(_END_OF_FILE)

    def write(self, texts: Sequence[Any]) -> None:
        """Append rows.

        Parameters
        ----------
        texts : sequence of pyarrow.StringArray
            One for each column, of equal length; nulls are written as the format's filler.
        """
        self._widen([_longest(text) for text in texts])
        for rows in self._chunks(len(texts[0])):
            self._write_rows([text[rows.start : rows.stop] for text in texts])

    def close(self, as_text: Collection[str] = ()) -> None:
        """Write the header and close the file.

        Parameters
        ----------
        as_text : collection of str
            Columns of numbers that become texts, every row of them.
        """
        if self.count:
            self._make_texts(as_text)
        self._columns = [
            replace(c, kind="C", decimals=0) if c.name in as_text else c for c in self._columns
        ]
        self._file.write(_END_OF_FILE)
        self._file.seek(0)
        self._file.write(self._header())
        self._file.close()

    def abandon(self) -> None:
        """Close the file as it is."""
        self._file.close()

    def _widen(self, needed: Sequence[int]) -> None:
        grown = [
            replace(column, width=max(column.width, width))
            for column, width in zip(self._columns, needed, strict=True)
        ]
        if grown == self._columns:
            return
        old, self._columns = self._columns, grown
        self._check_width()
        if self.count:
            self._rewrite(old)

    def _write_rows(self, texts: Sequence[Any]) -> None:
        rows = np.full((len(texts[0]), self.record_bytes), 0x20, np.uint8)
        at = 1
        for column, text in zip(self._columns, texts, strict=True):
            rows[:, at : at + column.width] = _padded(text, column)
            at += column.width
        self._file.write(rows.data)
        self.count += len(rows)

    def _rewrite(self, old: Sequence[DbfColumn]) -> None:
        """Copy the rows so far into wider ones, from the last to the first, in place."""
        old_bytes = 1 + sum(column.width for column in old)
        for rows in reversed(list(self._chunks(self.count))):
            narrow = self._read_rows(rows, old_bytes)
            self._put_rows(rows, _widened(narrow, old, self._columns))
        self._file.seek(0, 2)

    def _make_texts(self, names: Collection[str]) -> None:
        chosen = [index for index, column in enumerate(self._columns) if column.name in names]
        if not chosen:
            return
        ends = 1 + np.cumsum([column.width for column in self._columns])
        for rows in self._chunks(self.count):
            data = self._read_rows(rows, self.record_bytes).copy()
            for index in chosen:
                begin = ends[index] - self._columns[index].width
                data[:, begin : ends[index]] = _left_justified(data[:, begin : ends[index]])
            self._put_rows(rows, data)
        self._file.seek(0, 2)

    def _chunks(self, count: int) -> Iterator[range]:
        """Yield runs of rows that take some megabytes each."""
        step = max(1, _CHUNK_BYTES // self.record_bytes)
        return (range(first, min(first + step, count)) for first in range(0, count, step))

    def _read_rows(self, rows: range, row_bytes: int) -> Array:
        self._file.seek(self.header_bytes + rows.start * row_bytes)
        data = np.frombuffer(self._file.read(len(rows) * row_bytes), np.uint8)
        return data.reshape(len(rows), row_bytes)

    def _put_rows(self, rows: range, data: Array) -> None:
        self._file.seek(self.header_bytes + rows.start * self.record_bytes)
        self._file.write(np.ascontiguousarray(data).data)

    def _check_width(self) -> None:
        if self.record_bytes > MAX_RECORD_BYTES:
            raise RequestError(
                say(
                    "a row of {file} needs {found:,} bytes; a shapefile's table holds "
                    "at most {most:,} (dBASE III)",
                    file=self._path.stem,
                    found=self.record_bytes,
                    most=MAX_RECORD_BYTES,
                ),
                field="fields",
                value=f"{len(self._columns)} fields",
                hint=say("Choose fewer fields, or another format such as GeoPackage."),
            )

    def _header(self) -> bytes:
        made = self._made_on
        head = bytes([_VERSION, made.year - 1900, made.month, made.day])
        head += np.array([self.count], "<u4").tobytes()
        head += np.array([self.header_bytes, self.record_bytes], "<u2").tobytes()
        head += bytes(20)
        for column in self._columns:
            head += column.name.encode("ascii").ljust(11, b"\0") + column.kind.encode()
            head += bytes([0, 0, 0, 0, column.width, column.decimals]) + bytes(14)
        return head + b"\r"


def _longest(text: Any) -> int:
    return int(pc.max(pc.binary_length(text)).as_py() or 0)


def _padded(text: Any, column: DbfColumn) -> Array:
    """Return a column's bytes, shape (rows, width): numbers to the right, the rest to the left."""
    filler = _FILLER[column.kind]
    if column.kind == "N":
        filler = filler * column.width
    filled = pc.fill_null(text, pa.scalar(filler.decode(), pa.string()))
    # The ASCII functions count bytes, which is what a column's width means.
    pad = pc.ascii_lpad if column.kind == "N" else pc.ascii_rpad
    data = pad(filled, column.width)
    _, offsets, body = data.buffers()
    first = int(np.frombuffer(offsets, np.int32)[data.offset])
    flat = np.frombuffer(body, np.uint8)[first : first + len(data) * column.width]
    return flat.reshape(len(data), column.width)


def _left_justified(numbers: Array) -> Array:
    """Return a column of numbers, shape (rows, width), as texts; its filler becomes blank."""
    width = numbers.shape[1]
    texts = np.char.strip(np.ascontiguousarray(numbers).view(f"S{width}").ravel())
    texts[np.char.startswith(texts, b"*")] = b""
    padded: Array = np.char.ljust(texts, width).astype(f"S{width}")
    return padded.view(np.uint8).reshape(len(numbers), width)


def _widened(rows: Array, old: Sequence[DbfColumn], new: Sequence[DbfColumn]) -> Array:
    wide = np.full((len(rows), 1 + sum(column.width for column in new)), 0x20, np.uint8)
    source = target = 1
    for before, after in zip(old, new, strict=True):
        # Numbers stand at the right of their column, all else at the left.
        shift = after.width - before.width if after.kind == "N" else 0
        first = target + shift
        wide[:, first : first + before.width] = rows[:, source : source + before.width]
        source += before.width
        target += after.width
    return wide
