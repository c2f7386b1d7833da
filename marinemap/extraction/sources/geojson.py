"""GeoJSON as a source; GDAL itself refuses what is no JSON to its end."""

from __future__ import annotations

from marinemap.extraction.sources.source import SourceFormat

SOURCE = SourceFormat((".geojson", ".json"), opens_safely=True)
