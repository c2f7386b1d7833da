"""FlatGeobuf as a source."""

from __future__ import annotations

from marinemap.extraction.sources.flatgeobuf_check import feature_places
from marinemap.extraction.sources.source import SourceFormat

SOURCE = SourceFormat((".fgb",), check=feature_places, opens_safely=True)
