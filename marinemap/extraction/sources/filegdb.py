"""File geodatabases as sources: folders, with an index that GDAL asks."""

from __future__ import annotations

from pathlib import Path

from marinemap.extraction.sources.source import SourceFormat

# Programs that have one open put these beside its tables.
_LOCK_SUFFIX = ".lock"


def _parts(path: Path) -> list[Path]:
    inside = (part for part in path.rglob("*") if part.suffix != _LOCK_SUFFIX)
    return sorted(part for part in inside if part.is_file())


SOURCE = SourceFormat((".gdb",), parts=_parts, has_index=True, has_one_zone=True)
