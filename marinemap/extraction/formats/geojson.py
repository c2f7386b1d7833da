"""Write GeoJSON as RFC 7946 has it: longitude, latitude in degrees, outer rings turned left."""

from __future__ import annotations

from marinemap.extraction.formats.ogr import OgrWriter
from marinemap.extraction.formats.plan import WritePlan

# RFC 7946, section 4, knows no other CRS.
CRS = "OGC:CRS84"
# Seven decimals of a degree are a centimetre (RFC 7946, section 11.2, advises six); GDAL's
# default for RFC7946=YES.
_DECIMALS = "7"


class GeoJSONWriter(OgrWriter):
    """Writes a layer as a GeoJSON feature collection."""

    def __init__(self, plan: WritePlan) -> None:
        options = {"RFC7946": "YES", "COORDINATE_PRECISION": _DECIMALS}
        super().__init__(plan, plan.folder / f"{plan.name}.geojson", "GeoJSON", "Unknown", options)
