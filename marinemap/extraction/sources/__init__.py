"""Formats of sources of which more is known than GDAL says: modules that hold a ``SOURCE``."""

from __future__ import annotations

import importlib
import os
import pkgutil
from functools import cache
from pathlib import Path
from typing import TypeGuard

from marinemap.extraction.remote.address import Remote
from marinemap.extraction.sources.gml import SOURCE as GML
from marinemap.extraction.sources.gml import is_gml
from marinemap.extraction.sources.source import SourceFormat


def source_format_of(path: Path | Remote) -> SourceFormat:
    """Return what is known of a file's format, by its suffix; of others, that nothing is known.

    A GML is known by its content as well: of any name GDAL would write beside it.
    """
    found = _by_suffix().get(path.suffix.lower())
    if found is None and isinstance(path, Path) and is_gml(path):
        return GML
    return found or SourceFormat(())


def is_parquet(place: object) -> TypeGuard[Path | Remote]:
    """Tell whether a layer is in a GeoParquet, which GDAL does not read here."""
    return isinstance(place, Path | Remote) and source_format_of(place).is_parquet


def known_suffixes() -> frozenset[str]:
    """Return the suffixes of the formats of which more is known than GDAL says."""
    return frozenset(_by_suffix())


@cache
def _by_suffix() -> dict[str, SourceFormat]:
    found: dict[str, SourceFormat] = {}
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        source = getattr(importlib.import_module(module.name), "SOURCE", None)
        if isinstance(source, SourceFormat):
            found |= dict.fromkeys(source.suffixes, source)
            for name, value in source.environment.items():
                # Only GDAL reads it; an operator's own choice counts.
                os.environ.setdefault(name, value)
    return found
