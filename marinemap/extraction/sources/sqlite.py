"""SQLite databases as sources: the latest commits may lie beside them."""

from __future__ import annotations

from pathlib import Path

from marinemap.extraction.sources.source import SourceFormat, damaged
from marinemap.extraction.sources.sqlite_source import find_damage, write_ahead_log
from marinemap.extraction.sources.sqlite_values import SqliteValues
from marinemap.sentences import say


def _parts(path: Path) -> list[Path]:
    return [path, *write_ahead_log(path)]


def _look(path: Path) -> None:
    damage = find_damage(path)
    if damage is not None:
        raise damaged(path, say("is no sound database: {damage}", damage=damage))


SOURCE = SourceFormat(
    (".sqlite", ".db"),
    parts=_parts,
    look=_look,
    opens_safely=True,
    mend=lambda path, layer: SqliteValues(path, layer).mended,
)
