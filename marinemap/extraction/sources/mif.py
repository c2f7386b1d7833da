"""MapInfo's format of interchange as a source: objects in one file, rows in another."""

from __future__ import annotations

from marinemap.extraction.sources.mapinfo_check import check_mif, count_mif
from marinemap.extraction.sources.source import SourceFormat, with_suffixes

SOURCE = SourceFormat(
    (".mif",),
    parts=with_suffixes(".mid"),
    check=check_mif,
    count=count_mif,
    has_one_zone=True,
)
