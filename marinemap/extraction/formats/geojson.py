"""Write GeoJSON as RFC 7946 has it: longitude, latitude in degrees, outer rings turned left."""

from __future__ import annotations

import dataclasses
from typing import Any

from marinemap.extraction.formats.columns import NO_NUL, ONLY_FINITE, Columns, holds_but_bytes
from marinemap.extraction.formats.finite_heights import FiniteHeights
from marinemap.extraction.formats.format import Format
from marinemap.extraction.formats.moments import BEFORE_1970, CALENDAR, MILLISECONDS
from marinemap.extraction.formats.ogr import MeasureCount, OgrWriter
from marinemap.extraction.formats.one_turn import within_one_turn
from marinemap.extraction.formats.plan import WritePlan
from marinemap.extraction.formats.read_back import with_texts
from marinemap.extraction.formats.rfc7946 import keep_types, plain_collections
from marinemap.extraction.formats.weight import Texts, Weight
from marinemap.extraction.formats.written import WrittenLayer

# Seven decimals of a degree are a centimetre (RFC 7946, section 11.2, advises six); GDAL's
# default for RFC7946=YES.
_DECIMALS = 7


class GeoJSONWriter(OgrWriter):
    """Writes a layer as a GeoJSON feature collection."""

    def __init__(self, plan: WritePlan) -> None:
        # GDAL takes a field of that name for the identifier.
        rules = [NO_NUL, ONLY_FINITE, CALENDAR, MILLISECONDS, BEFORE_1970]
        columns = Columns(plan.schema, reserved=["ogc_fid"], rules=rules, keep=holds_but_bytes)
        options = {
            "RFC7946": "YES",
            "COORDINATE_PRECISION": str(_DECIMALS),
            # GDAL takes what is wide for what crosses 180 degrees, and loses what is beyond 360.
            "WRAPDATELINE": "NO",
            # A text in brackets is a text: GDAL would write it as a list or structure.
            "AUTODETECT_JSON_STRINGS": "NO",
        }
        self._measures, self._heights = MeasureCount(), FiniteHeights()
        super().__init__(plan, columns, FORMAT.id, FORMAT.suffix, "GeoJSON", "Unknown", options)

    def write(self, geometries: Any, attributes: Any) -> None:
        """Append features."""
        self._measures.add(geometries)
        moved = within_one_turn(self._heights.of(geometries))
        super().write(plain_collections(keep_types(moved, _DECIMALS)), attributes)

    def close(self) -> list[WrittenLayer]:
        """Finish the file."""
        (written,) = super().close()
        losses = (*written.losses, *self._measures.losses(), *self._heights.losses())
        return [dataclasses.replace(written, losses=losses)]


def _digits(number: float) -> str:
    return f"{number:.{_DECIMALS}f}".rstrip("0")


FORMAT = Format(
    id="geojson",
    title="GeoJSON",
    suffix=".geojson",
    media_type="application/geo+json",
    about="Longitude and latitude in degrees to seven decimals, about a centimetre (RFC 7946); no "
    "infinite numbers.",
    writer=GeoJSONWriter,
    weigh=Weight(empty=200, feature=85, number=5, digits=_digits, values=Texts(frame=7, names=1)),
    read_back=with_texts,
    # RFC 7946, section 4, knows no other CRS.
    crs="OGC:CRS84",
)
