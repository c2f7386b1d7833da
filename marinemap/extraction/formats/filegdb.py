"""Write an Esri file geodatabase: a folder of tables, as ArcGIS and QGIS take it."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyogrio
import pyproj

from marinemap.errors import MarineMapError, RequestError, quote
from marinemap.extraction.formats.by_type import ByType
from marinemap.extraction.formats.columns import NO_NAN, NO_NUL, Columns, Rule, holds_by_gdal
from marinemap.extraction.formats.finite_heights import FiniteHeights
from marinemap.extraction.formats.format import Format
from marinemap.extraction.formats.moments import CALENDAR, rounded_to
from marinemap.extraction.formats.ogr import OgrWriter
from marinemap.extraction.formats.plan import WritePlan
from marinemap.extraction.formats.weight import Weight
from marinemap.extraction.formats.written import Loss, WrittenLayer
from marinemap.sentences import say

# GDAL's words (3.12, OpenFileGDB).
_BEYOND_THE_GRID = "Cannot encode"
# Esri, "Defining fields in tables": 64 letters, digits and underscores; these are taken.
_MAX_NAME = 64
_RESERVED = ("objectid", "fid", "oid", "shape", "shape_length", "shape_area", "ogc_fid")
_WORD = re.compile(
    "add|alter|and|between|by|column|create|delete|drop|exists|for|from|group|in|insert|into|is|like|"
    "not|null|or|order|select|set|table|update|values|where",
    re.IGNORECASE,
)

# Of those that an integer of 64 bits holds.
_LARGEST_DOUBLE = 2.0**63 - 1024


def _as_doubles(column: Any) -> Any:
    """Return integers as they read back: before ArcGIS Pro 3.2 there are none of 64 bits."""
    doubles = column.cast(pa.float64(), safe=False)
    # The largest would be rounded to one more than there is, which turns negative.
    fit = pc.min_element_wise(doubles, pa.scalar(_LARGEST_DOUBLE), skip_nulls=False)
    return fit.cast(pa.int64(), safe=False)


_ROUNDED = Rule(
    "value_rounded",
    pa.types.is_int64,
    lambda column: pc.if_else(_is_exact(column), column, _as_doubles(column)),
    "{count:,} of the integers of '{field}' had to be rounded: a file geodatabase holds 53 bits",
)


_SECONDS = Rule(
    "value_rounded",
    pa.types.is_timestamp,
    rounded_to("second"),
    "{count:,} of the values of '{field}' had to be rounded to seconds, the finest that all "
    "readers of a file geodatabase know",
)


def _has_own_zone(type_: Any) -> bool:
    return bool(pa.types.is_timestamp(type_)) and type_.tz not in (None, "UTC")


def _is_exact(column: Any) -> Any:
    most = 2**53
    return pc.and_(pc.greater_equal(column, -most), pc.less_equal(column, most))


class FileGDBWriter(ByType):
    """Writes a layer as a geodatabase for each type of geometry."""

    def __init__(self, plan: WritePlan) -> None:
        # GDAL draws identifiers by chance, which would differ each time.
        pyogrio.set_gdal_config_options({"OPENFILEGDB_REPRODUCIBLE_UUID": "YES"})
        columns = Columns(
            plan.schema,
            reserved=_RESERVED,
            clean=_name,
            rules=[NO_NUL, NO_NAN, CALENDAR, _ROUNDED, _SECONDS],
            keep=holds_by_gdal,
        )
        self._heights = FiniteHeights(with_measures=True)
        super().__init__(plan, columns, self._open)

    def write(self, geometries: Any, attributes: Any) -> None:
        """Append features, each to the file of its type."""
        super().write(self._heights.of(geometries), attributes)

    def close(self) -> list[WrittenLayer]:
        """Finish the files; dates become the first moment of their day, truth values 0 and 1.

        Moments of other zones become those of UTC.
        """
        first, *others = super().close()
        kept_as = [
            (pa.types.is_date, "date and time"),
            (pa.types.is_boolean, "0 and 1"),
            (_has_own_zone, "date and time of UTC: the format has no zones"),
        ]
        losses = tuple(
            Loss("type_changed", field.name, 0, f"'{field.name}' is kept as {words}")
            for field in self._plan.schema
            for is_so, words in kept_as
            if is_so(field.type)
        )
        return [
            dataclasses.replace(first, losses=(*first.losses, *losses, *self._heights.losses())),
            *others,
        ]

    def _open(self, name: str, geometry_type: str) -> OgrWriter:
        return _OnGrid(
            self._plan,
            self._columns,
            FORMAT.id,
            FORMAT.suffix,
            "OpenFileGDB",
            geometry_type,
            _grid(self._plan.crs),
            name=name,
        )


class _OnGrid(OgrWriter):
    """Writes positions as whole numbers on a grid, which has an end."""

    def _told(self, failure: Exception) -> MarineMapError:
        if _BEYOND_THE_GRID not in str(failure):
            return super()._told(failure)
        return RequestError(
            say(
                "some positions lie so far off in {crs} that {file} cannot hold them",
                crs=quote(self._plan.crs.name),
                file=self._path.name,
            ),
            field="crs",
            hint=say(
                "Choose a CRS made for the area, draw a smaller area, or take another format."
            ),
        )


def _grid(crs: pyproj.CRS) -> dict[str, str]:
    """Return the grid of positions where GDAL's own is too coarse: it is a tenth of a unit (3.12).

    It is that of metres, in units that are longer.
    """
    unit = crs.axis_info[0].unit_conversion_factor
    if crs.is_geographic or unit <= 1:
        return {}
    x, y, scale = -20_037_700 / unit, -30_198_300 / unit, 10_000 * unit
    return {"XORIGIN": repr(x), "YORIGIN": repr(y), "XYSCALE": repr(scale)}


def _name(name: str) -> str:
    plain = re.sub(r"\W", "_", name)[: _MAX_NAME - 4] or "field"
    if plain[0].isdigit() or plain[0] == "_":
        plain = f"f{plain}"
    return f"{plain}_" if _WORD.fullmatch(plain) else plain


FORMAT = Format(
    id="filegdb",
    title="File geodatabase",
    suffix=".gdb",
    media_type="application/x-filegdb",
    about="A folder for ArcGIS and QGIS, for each type of geometry; positions to a billionth of a "
    "degree or a tenth of a millimetre, integers of 53 bits, dates with a time.",
    parts_collections=True,
    has_esri_crs=True,
    writer=FileGDBWriter,
    weigh=Weight(empty=50_000, feature=40, number=5),
    readme=(
        "A file geodatabase is a folder whose name ends in .gdb: keep all of its files together,",
        "and open the folder.",
    ),
)
