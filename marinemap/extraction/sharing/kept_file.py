"""Batches of a piece in a file (Arrow's IPC file format), each with its counts."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from marinemap.extraction.layers.kept import Kept, Tally
from marinemap.extraction.left_out import LeftOut
from marinemap.extraction.projection.measure import Measured

_TALLY = b"tally"
_LEFT_OUT = ("not_finite", "unreadable", "collapsed")
_GEOMETRIES = pa.field("", pa.binary())


def write_kept(path: Path, batches: Iterator[Kept]) -> None:
    """Write batches of one schema."""
    first = next(batches, None)
    whole = itertools.chain([first], batches) if first else ()
    # By its place, which is the last: a field may have any name.
    schema = (first.attributes.schema if first else pa.schema([])).append(_GEOMETRIES)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
        for kept in whole:
            columns = [*kept.attributes.columns, kept.geometries]
            tally = json.dumps(dataclasses.asdict(kept.tally))
            writer.write_batch(
                pa.RecordBatch.from_arrays(columns, schema=schema), custom_metadata={_TALLY: tally}
            )


def read_kept(path: Path) -> Iterator[Kept]:
    """Yield the batches of a file, the same to the last bit.

    Raises
    ------
    pyarrow.ArrowException, OSError
        If the file is not whole.
    """
    with pa.OSFile(str(path), "rb") as file, pa.ipc.open_file(file) as reader:
        for number in range(reader.num_record_batches):
            batch, metadata = reader.get_batch_with_custom_metadata(number)
            last = batch.num_columns - 1
            yield Kept(batch.column(last), batch.select(range(last)), _tally(metadata[_TALLY]))


def _tally(text: bytes) -> Tally:
    counts = json.loads(text)
    left_out = {name: LeftOut.from_json(counts[name]) for name in _LEFT_OUT}
    return Tally(**{**counts, **left_out, "measured": Measured(**counts["measured"])})
