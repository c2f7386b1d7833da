"""FlatGeobuf as a source."""

from __future__ import annotations

from marinemap.extraction.sources.flatgeobuf_check import feature_places, leaf_boxes
from marinemap.extraction.sources.source import SourceFormat

SOURCE = SourceFormat((".fgb",), check=feature_places, boxes=leaf_boxes, opens_safely=True)
