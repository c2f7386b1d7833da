"""GeoParquet as a source; it is read by columns, not by GDAL, whose wheels cannot."""

from __future__ import annotations

from marinemap.extraction.sources.source import SourceFormat

SOURCE = SourceFormat((".parquet", ".geoparquet"), has_one_zone=True, is_parquet=True)
