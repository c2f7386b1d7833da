"""Write KML 2.3 (OGC 12-007r2): longitude, latitude in degrees, for globes."""

from __future__ import annotations

from marinemap.extraction.formats.ogr import OgrWriter
from marinemap.extraction.formats.plan import WritePlan

# OGC 12-007r2, section 6.2: KML knows no other CRS.
CRS = "EPSG:4326"


class KMLWriter(OgrWriter):
    """Writes a layer as the placemarks of one KML document."""

    def __init__(self, plan: WritePlan) -> None:
        super().__init__(plan, plan.folder / f"{plan.name}.kml", "KML", "Unknown")
