"""Write GeoJSON as RFC 7946 has it: longitude, latitude in degrees, outer rings turned left."""

from __future__ import annotations

from marinemap.extraction.formats.format import Format
from marinemap.extraction.formats.ogr import OgrWriter
from marinemap.extraction.formats.plan import WritePlan
from marinemap.extraction.formats.read_back import loosely

# Seven decimals of a degree are a centimetre (RFC 7946, section 11.2, advises six); GDAL's
# default for RFC7946=YES.
_DECIMALS = "7"


class GeoJSONWriter(OgrWriter):
    """Writes a layer as a GeoJSON feature collection."""

    def __init__(self, plan: WritePlan) -> None:
        options = {"RFC7946": "YES", "COORDINATE_PRECISION": _DECIMALS}
        super().__init__(plan, FORMAT.id, FORMAT.suffix, "GeoJSON", "Unknown", options)


FORMAT = Format(
    id="geojson",
    title="GeoJSON",
    suffix=".geojson",
    media_type="application/geo+json",
    about="Longitude and latitude in degrees to seven decimals, about a centimetre (RFC 7946).",
    writer=GeoJSONWriter,
    read_back=loosely,
    # RFC 7946, section 4, knows no other CRS.
    crs="OGC:CRS84",
)
