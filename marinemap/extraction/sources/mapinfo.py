"""MapInfo's tables as sources; they have an index of their own that GDAL asks."""

from __future__ import annotations

from marinemap.extraction.sources.mapinfo_check import check_tab
from marinemap.extraction.sources.source import SourceFormat, with_suffixes

SOURCE = SourceFormat(
    (".tab",),
    parts=with_suffixes(".dat", ".map", ".id", ".ind"),
    check=check_tab,
    has_index=True,
    has_one_zone=True,
)
