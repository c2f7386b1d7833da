"""COPY's binary form as Arrow's batches: looked through by columns, not by rows."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from marinemap.errors import DatasetError
from marinemap.extraction.postgis.columns import Kind, since_1970
from marinemap.sentences import say

# PostgreSQL, COPY, binary format: a signature, flags and the length of an extension, which is
# empty, before the first row; instead of a number of columns -1 after the last. Each message
# holds one row (PostgreSQL, message flow, COPY operations).
_HEAD_BYTES = 19
_END = b"\xff\xff"
# What is read of no value is read somewhere, so that all columns are of one length.
_FILLER = b"\0" * 8

Array = np.ndarray[Any, Any]


def batches(
    messages: Iterator[list[Any] | None], kinds: Sequence[Kind], schema: Any, title: str
) -> Generator[Any]:
    """Yield the rows of a COPY as batches, and one without rows each second that none comes.

    Parameters
    ----------
    messages : iterator of lists of bytes, or None
        As the server sends them, those of a batch at once; None while it is silent.
    kinds : sequence of Kind
        How the columns come.
    schema : pyarrow.Schema
        Of the same columns.
    title : str
        What to call the layer in a message.

    Raises
    ------
    DatasetError
        If a value cannot be held.
    """
    is_first = True
    for rows in messages:
        if rows is None:
            yield empty(schema)
            continue
        if is_first:
            rows[0] = rows[0][_HEAD_BYTES:]
            is_first = False
        if rows[-1] == _END:
            del rows[-1]
        if rows:
            yield _batch(rows, kinds, schema, title)


def empty(schema: Any) -> Any:
    """Return a batch without rows."""
    return pa.RecordBatch.from_arrays([pa.array([], f.type) for f in schema], schema=schema)


def _batch(rows: list[Any], kinds: Sequence[Kind], schema: Any, title: str) -> Any:
    data = b"".join([*rows, _FILLER])
    ends = np.cumsum(np.fromiter(map(len, rows), np.int64, len(rows)))
    # Behind each row's number of columns.
    at = np.concatenate([[0], ends[:-1]]) + 2
    columns = []
    for kind, field in zip(kinds, schema, strict=True):
        lengths = _gathered(data, at, ">i4").astype(np.int64)
        at = at + 4
        is_null = lengths < 0
        try:
            columns.append(_column(data, at, np.maximum(lengths, 0), is_null, kind))
        except (ValueError, pa.ArrowInvalid) as error:
            raise DatasetError(
                say("field '{name}' of {title} {error}", name=field.name, title=title, error=error),
                field="source",
                value=field.name,
            ) from error
        at = at + np.maximum(lengths, 0)
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _column(data: bytes, at: Array, lengths: Array, is_null: Array, kind: Kind) -> Any:
    if kind.wire is None:
        return _texts(data, at, lengths, is_null, kind)
    values = _gathered(data, np.where(is_null, 0, at), kind.wire)
    values = values.astype(values.dtype.newbyteorder("="))
    if kind.arrow == pa.bool_():
        return pa.array(values, mask=is_null)
    values[is_null] = 0
    numbers = pa.array(since_1970(values, kind), mask=is_null)
    return numbers if numbers.type == kind.arrow else numbers.cast(kind.arrow)


def _gathered(data: bytes, at: Array, wire: str) -> Array:
    """Return the numbers that begin at some places, wherever they are."""
    size = np.dtype(wire).itemsize
    every: Array = np.ndarray((len(data) - size + 1,), wire, data, strides=(1,))
    found: Array = every[at]
    return found


def _texts(data: bytes, at: Array, lengths: Array, is_null: Array, kind: Kind) -> Any:
    """Return pieces of the data: every second one of those between all beginnings and ends."""
    edges = np.column_stack([at, at + lengths]).ravel().astype(np.int32)
    pieces = pa.Array.from_buffers(
        kind.arrow, len(edges) - 1, [None, pa.py_buffer(edges), pa.py_buffer(data)]
    )
    places = pa.array(np.arange(0, len(edges), 2), mask=is_null)
    return pieces.take(places)
