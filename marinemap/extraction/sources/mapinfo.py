"""MapInfo's formats as sources; its tables have an index of their own that GDAL asks."""

from __future__ import annotations

from marinemap.extraction.sources.source import SourceFormat, with_suffixes

SOURCE = SourceFormat(
    (".tab", ".mif"),
    parts=with_suffixes(".dat", ".map", ".id", ".ind", ".mid"),
    has_index=True,
    has_one_zone=True,
)
