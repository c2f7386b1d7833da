"""Shapefiles as sources; ``shapefile_records`` looks at every record."""

from __future__ import annotations

from marinemap.extraction.sources.source import SourceFormat, with_suffixes
from marinemap.extraction.sources.table_values import mend_of

# Esri, ShapefileTechnical Description, 1998; .cpg is Esri's later addition.
_PARTS = (".shx", ".dbf", ".prj", ".cpg")

SOURCE = SourceFormat(
    (".shp",),
    parts=with_suffixes(*_PARTS),
    has_index=True,
    opens_safely=True,
    has_one_zone=True,
    mend=mend_of,
)
