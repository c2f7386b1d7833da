"""Write KML 2.3 (OGC 12-007r2): longitude, latitude in degrees, for globes."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from marinemap.extraction.formats.columns import Columns, Rule, holds_but_bytes, is_text
from marinemap.extraction.formats.finite_heights import FiniteHeights
from marinemap.extraction.formats.format import Format
from marinemap.extraction.formats.moments import BEFORE_1970, CALENDAR, MILLISECONDS
from marinemap.extraction.formats.ogr import MeasureCount, OgrWriter
from marinemap.extraction.formats.one_turn import within_one_turn
from marinemap.extraction.formats.plan import WritePlan
from marinemap.extraction.formats.read_back import loosely
from marinemap.extraction.formats.weight import Texts, Weight
from marinemap.extraction.formats.written import WrittenLayer

# The largest number of 15 digits that is a double; one more in the last digit is infinite.
_LARGEST = 1.79769313486231e308
_FINEST = "%.15g"
_NOT_IN_KML = "^[ \t\n\r]+|[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]"


def _plain_texts(column: Any) -> Any:
    # XML 1.0 has no control characters and not the last two of Unicode's plane, reads all ends of
    # lines as one, and GDAL's driver drops blanks at the beginning.
    of_one_end = pc.replace_substring_regex(column, "\r\n?", "\n")
    return pc.replace_substring_regex(of_one_end, _NOT_IN_KML, "")


def _fifteen_digits(column: Any) -> Any:
    """Return reals as GDAL's driver writes them, but for those that it makes infinite."""
    values = np.asarray(column.cast(pa.float64()).fill_null(0.0))
    rounded = np.char.mod(_FINEST, values).astype(float)
    overflow = np.isinf(rounded) & np.isfinite(values)
    rounded[overflow] = np.copysign(_LARGEST, values[overflow])
    mask = np.asarray(pc.is_null(column))
    return pa.array(rounded, pa.float64(), mask=mask).cast(column.type)


_RULES = [
    CALENDAR,
    MILLISECONDS,
    BEFORE_1970,
    Rule(
        "text_changed",
        is_text,
        _plain_texts,
        "{count:,} of the texts of '{field}' lost blanks at the beginning, control characters or "
        "carriage returns, which KML cannot hold",
    ),
    Rule(
        "value_rounded",
        pa.types.is_float64,
        _fifteen_digits,
        "{count:,} of the values of '{field}' had to be rounded to 15 digits",
    ),
]


class KMLWriter(OgrWriter):
    """Writes a layer as the placemarks of one KML document."""

    def __init__(self, plan: WritePlan) -> None:
        columns = Columns(
            plan.schema, reserved=["ogc_fid"], clean=_name, rules=_RULES, keep=holds_but_bytes
        )
        self._measures, self._heights = MeasureCount(), FiniteHeights()
        super().__init__(plan, columns, FORMAT.id, FORMAT.suffix, "KML", "Unknown")

    def write(self, geometries: Any, attributes: Any) -> None:
        """Append features."""
        self._measures.add(geometries)
        super().write(within_one_turn(self._heights.of(geometries)), attributes)

    def close(self) -> list[WrittenLayer]:
        """Finish the file."""
        (written,) = super().close()
        losses = (*written.losses, *self._measures.losses(), *self._heights.losses())
        return [dataclasses.replace(written, losses=losses)]


def _name(name: str) -> str:
    """Return a name that may stand in an attribute: GDAL's driver does not escape it."""
    return re.sub(r"[^\w .:;,()/%+*-]", "_", name) or "field"


FORMAT = Format(
    id="kml",
    title="KML",
    suffix=".kml",
    media_type="application/vnd.google-earth.kml+xml",
    about="Longitude and latitude in degrees, for globes; reals of 15 digits, and most programs "
    "read fields as texts.",
    writer=KMLWriter,
    weigh=Weight(
        empty=400,
        feature=140,
        number=1,
        digits=_FINEST.__mod__,
        values=Texts(frame=36, names=1, row=75),
    ),
    read_back=loosely,
    # OGC 12-007r2, section 6.2: KML knows no other CRS.
    crs="EPSG:4326",
)
