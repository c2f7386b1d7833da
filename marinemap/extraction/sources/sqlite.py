"""GeoPackages and other SQLite databases as sources: the latest commits may lie beside them."""

from __future__ import annotations

from pathlib import Path

from marinemap.extraction.sources.source import SourceFormat
from marinemap.extraction.sqlite_source import write_ahead_log


def _parts(path: Path) -> list[Path]:
    return [path, *write_ahead_log(path)]


SOURCE = SourceFormat((".gpkg", ".sqlite", ".db"), parts=_parts)
