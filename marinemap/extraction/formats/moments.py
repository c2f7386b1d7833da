"""Days and moments as formats hold them: the years 1 to 9999, to the millisecond or second."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from marinemap.extraction.formats.columns import Rule

_OFFSET = re.compile(r"(?P<sign>[+-])(?P<hours>\d\d):?(?P<minutes>\d\d)")


def _has_day(type_: Any) -> bool:
    return bool(pa.types.is_date(type_) or pa.types.is_timestamp(type_))


def _in_calendar(column: Any) -> Any:
    year = pc.year(_as_written(column))
    fits = pc.and_(pc.greater_equal(year, 1), pc.less_equal(year, 9999))
    return pc.if_else(fits, column, pa.scalar(None, column.type))


def _as_written(column: Any) -> Any:
    """Return days, and moments by the clock of their zone; Arrow finds no zone such as +05:30."""
    if not pa.types.is_timestamp(column.type):
        return column
    zone = _OFFSET.fullmatch(column.type.tz or "")
    instants = column.cast(pa.timestamp(column.type.unit))
    if zone is None:
        return instants
    ahead = timedelta(hours=int(zone["hours"]), minutes=int(zone["minutes"]))
    unit = pa.duration(column.type.unit)
    return pc.add(instants, pa.scalar(-ahead if zone["sign"] == "-" else ahead, unit))


def _as_gdal_counts(column: Any) -> Any:
    """Return whole seconds before 1970 where GDAL would show a minute's last one as the next."""
    instants = column.cast(pa.timestamp(column.type.unit))
    is_early = pc.less(instants.cast(pa.int64()), 0)
    is_last = pc.and_(pc.equal(pc.second(instants), 59), pc.greater(pc.subsecond(instants), 0))
    return pc.if_else(pc.and_(is_early, is_last), rounded_to("second")(column), column)


def _is_finer_than_ms(type_: Any) -> bool:
    return bool(pa.types.is_timestamp(type_)) and type_.unit in ("us", "ns")


def rounded_to(unit: str) -> Callable[[Any], Any]:
    """Return what rounds a column of moments to whole ``second`` or ``millisecond``."""

    def rounded(column: Any) -> Any:
        # Instants are rounded alike in all zones.
        instants = column.cast(pa.timestamp(column.type.unit))
        nearest = pc.round_temporal(instants, unit=unit).cast(column.type)
        # After the last of the year 9999 there is none that could be written.
        is_over = pc.greater(pc.year(_as_written(nearest)), 9999)
        before = pc.floor_temporal(instants, unit=unit).cast(column.type)
        return pc.if_else(is_over, before, nearest)

    return rounded


# GDAL writes an empty text for a year of more or fewer than four digits.
CALENDAR = Rule(
    "value_lost",
    _has_day,
    _in_calendar,
    "{count:,} of the values of '{field}' became null: the format holds the years 1 to 9999 only",
)
# GDAL keeps no more of a second (OGRField: a float of 32 bits).
MILLISECONDS = Rule(
    "value_rounded",
    _is_finer_than_ms,
    rounded_to("millisecond"),
    "{count:,} of the values of '{field}' had to be rounded to milliseconds, the finest that the "
    "format is written in",
)
# GDAL (3.12, from Arrow) divides what is negative towards zero, by which 59.5 s are 60 less 0.5.
BEFORE_1970 = Rule(
    "value_rounded",
    pa.types.is_timestamp,
    _as_gdal_counts,
    "{count:,} of the values of '{field}' had to be rounded to seconds: before 1970 the last "
    "second of a minute is written without its fractions only",
)
