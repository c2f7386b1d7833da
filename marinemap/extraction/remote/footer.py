"""What a Parquet on a server says of itself: fetched once for each state, looked at apart first."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from marinemap.errors import DatasetError
from marinemap.extraction.remote.address import Remote
from marinemap.extraction.remote.kept import Kept
from marinemap.extraction.remote.ranges import Ranges
from marinemap.extraction.sources.first_look import is_taken_for_sound, look_first, take_for_sound
from marinemap.sentences import say

# Parquet: its footer, the footer's length in four bytes, these four.
_MAGIC, _END_BYTES = b"PAR1", 8
# Mostly all of it is in so much of the file's end.
_TAIL_BYTES = 128 << 10
_MOST_BYTES = 64 << 20
# Of a file's name on the disk.
_MOST_LETTERS = 60


def footer_of(ranges: Ranges) -> Any:
    """Return the metadata (pyarrow) of a file.

    Raises
    ------
    DatasetError, UnavailableError
        If it cannot be read, or is none.
    """
    return _kept.of(ranges)


def _found(ranges: Ranges) -> Any:
    return _parsed(ranges.remote, _fetched(ranges))


def _fetched(ranges: Ranges) -> bytes:
    remote = ranges.remote
    assert remote.mark is not None, "a file in any state"
    size = remote.mark.size
    tail = ranges.read(max(0, size - _TAIL_BYTES), min(size, _TAIL_BYTES))
    length = int.from_bytes(tail[-_END_BYTES:-4], "little") + _END_BYTES
    if tail[-4:] != _MAGIC or not _END_BYTES < length <= min(size, _MOST_BYTES):
        raise DatasetError(
            say("{name} does not end as a Parquet: it is cut, damaged, or none", name=remote.name),
            field="source",
            value=remote.name,
        )
    missing = length - len(tail)
    if missing > 0:
        tail = ranges.read(size - length, missing) + tail
    return tail[-length:]


def _parsed(remote: Remote, footer: bytes) -> Any:
    assert remote.mark is not None, "a file in any state"
    with tempfile.TemporaryDirectory(prefix="footer-") as folder:
        path = Path(folder, remote.name[-_MOST_LETTERS:])
        path.write_bytes(_MAGIC + footer)
        if not is_taken_for_sound(remote.url, remote.mark.short):
            look_first(path, remote.mark.short)
            take_for_sound(remote.url, remote.mark.short)
        return pq.read_metadata(path)


_kept: Kept[Any] = Kept(_found)
