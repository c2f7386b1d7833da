"""Pages of features as files: CSV, and FlatGeobuf for programs that read many."""

from __future__ import annotations

from typing import Any

from marinemap.api.features.crs import FeatureCrs, moved, swapped
from marinemap.api.features.selection import Selection
from marinemap.catalogue.models import Layer
from marinemap.extraction import Dataset, Page, attributes_schema, write_features_as


def write_file(
    form: str,
    page: Page,
    schema: Any,
    dataset: Dataset,
    layer: Layer,
    crs: FeatureCrs,
    selection: Selection | None,
) -> bytes:
    """Return a page of features as a file's content."""
    schema = attributes_schema(dataset) if schema is None else schema
    schema = selection.schema_of(schema) if selection else schema
    places = [moved(part.geometries, layer, crs) for part in page.parts]
    if form == "csv" and crs.is_swapped:
        # In the order of the axes of its CRS, as all answers; FlatGeobuf has x first by itself.
        places = [swapped(each) for each in places]
    return write_features_as(form, page.parts, schema, places, crs.crs)
