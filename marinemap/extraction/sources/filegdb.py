"""File geodatabases as sources: folders, with an index that GDAL asks."""

from __future__ import annotations

import struct
from pathlib import Path

from marinemap.extraction.sources.source import SourceFormat, of_other_length

# Programs that have one open put these beside its tables.
_LOCK_SUFFIX = ".lock"
# As GDAL's driver OpenFileGDB reads them: a table states its own length; its index holds so many
# blocks of 1,024 places of 4 to 6 bytes each.
_TABLE_HEAD = struct.Struct("<24xQ")
_INDEX_HEAD = struct.Struct("<4xI4xI")
_PLACES = 1_024


def _parts(path: Path) -> list[Path]:
    inside = (part for part in path.rglob("*") if part.suffix != _LOCK_SUFFIX)
    return sorted(part for part in inside if part.is_file())


def _look(path: Path) -> None:
    """Refuse tables that are cut: GDAL gives the rows before the end, or none."""
    for part in _parts(path) if path.is_dir() else ():
        stated, found = _stated_length(part), part.stat().st_size
        if found < stated:
            raise of_other_length(part, found, stated)


def _stated_length(part: Path) -> int:
    head = {".gdbtable": _TABLE_HEAD, ".gdbtablx": _INDEX_HEAD}.get(part.suffix.lower())
    if head is None:
        return 0
    with part.open("rb") as file:
        data = file.read(head.size)
    if len(data) < head.size:
        return head.size
    if head is _TABLE_HEAD:
        return int(head.unpack(data)[0])
    blocks, width = head.unpack(data)
    return head.size + int(blocks) * _PLACES * int(width)


SOURCE = SourceFormat((".gdb",), parts=_parts, look=_look, has_index=True, has_one_zone=True)
