"""Write KML 2.3 (OGC 12-007r2): longitude, latitude in degrees, for globes."""

from __future__ import annotations

from marinemap.extraction.formats.format import Format
from marinemap.extraction.formats.ogr import OgrWriter
from marinemap.extraction.formats.plan import WritePlan
from marinemap.extraction.formats.read_back import loosely


class KMLWriter(OgrWriter):
    """Writes a layer as the placemarks of one KML document."""

    def __init__(self, plan: WritePlan) -> None:
        super().__init__(plan, FORMAT.id, FORMAT.suffix, "KML", "Unknown")


FORMAT = Format(
    id="kml",
    title="KML",
    suffix=".kml",
    media_type="application/vnd.google-earth.kml+xml",
    about="Longitude and latitude in degrees, for globes; most programs read fields as texts.",
    writer=KMLWriter,
    read_back=loosely,
    # OGC 12-007r2, section 6.2: KML knows no other CRS.
    crs="EPSG:4326",
)
