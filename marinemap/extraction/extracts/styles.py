"""Styles that lie beside a source, for the programs of whoever gets the extract."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from marinemap.extraction.place import Place
from marinemap.extraction.sources.source_files import real_path

# QGIS looks for .qml beside a file of the same name; .sld is OGC 05-078r4.
_SUFFIXES = (".qml", ".sld")
_MOST_BYTES = 5_000_000
# Of file systems, without a suffix.
_LONGEST_NAME = 251


def find_styles(source: Place, layer: str, stems: Iterable[str]) -> dict[str, Path]:
    """Return the styles of a layer by the names that they have beside the files of an extract.

    A style has the name of the layer or of its file, and lies where links to that lead. What is
    larger than 5 MB is no style, and what is on a server has none.
    """
    beside = _beside(source, layer)
    return {f"{stem}{style.suffix}": style for style in beside for stem in stems}


def mark_of_styles(source: Place, layer: str) -> str:
    """Return what changes with the styles of a layer, cheaply."""
    marks = [(style.name, style.stat()) for style in _beside(source, layer)]
    return repr([(name, at.st_size, at.st_mtime_ns, at.st_ino) for name, at in marks])


def _beside(source: Place, layer: str) -> list[Path]:
    path = real_path(source)
    if not isinstance(path, Path):
        return []
    stems = [name for name in (layer, path.stem) if _is_plain(name)]
    candidates = ([path.with_name(f"{stem}{suffix}") for stem in stems] for suffix in _SUFFIXES)
    found = (next(filter(_is_style, each), None) for each in candidates)
    return [style for style in found if style is not None]


def _is_plain(name: str) -> bool:
    """Tell whether a name is one of a file here: that of a layer may hold anything."""
    return "/" not in name and "\0" not in name and len(os.fsencode(name)) <= _LONGEST_NAME


def _is_style(path: Path) -> bool:
    return path.is_file() and path.stat().st_size <= _MOST_BYTES
