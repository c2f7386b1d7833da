"""The first of many features."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

# Of a sample, though it be one feature.
_MOST_BYTES = 8 << 20


def first_of(reader: Any, most: int) -> tuple[Any, bool]:
    """Return the first features that a reader gives (pyarrow), and whether they are all.

    So many at most, and fewer where they are large.
    """
    found: list[Any] = []
    is_all = True
    for batch in reader:
        found.append(batch)
        if sum(each.num_rows for each in found) >= most or _are_large(found):
            is_all = False
            break
    return _joined(found, reader.schema, most), is_all


def _are_large(batches: list[Any]) -> bool:
    return bool(sum(batch.nbytes for batch in batches) >= _MOST_BYTES)


def _joined(batches: list[Any], schema: pa.Schema, most: int) -> Any:
    table = pa.Table.from_batches(batches, schema).slice(0, most).combine_chunks()
    whole = table.to_batches() or [pa.RecordBatch.from_pylist([], schema=schema)]
    return whole[0]
