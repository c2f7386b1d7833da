"""Days that there are not, such as 30 February, of which GDAL makes others: it counts on (3.12)."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from marinemap.extraction.sources.typed_texts import is_date

# Of no leap year: its last two digits, or all four of a century's.
_COMMON_YEARS = (rb"[02468][1235679]", rb"[13579][01345789]", rb"1[5789]00", rb"2[123]00")


def _impossible(sign: bytes) -> bytes:
    """Return a pattern of such a day behind four digits of a year.

    Each way begins with letters, of which Python looks for the first four times as fast as behind a
    condition.
    """
    end = sign + rb"02" + sign + rb"29)"
    in_common_years = b"|".join(rb"(?<=" + year + end for year in _COMMON_YEARS)
    late = rb"(?:02" + sign + rb"3[01]|02" + sign + rb"29(?:" + in_common_years + rb")"
    return sign + late + rb"|(?:0[469]|11)" + sign + rb"31)"


IMPOSSIBLE_DAY = _impossible(b"-")
# There GDAL reads days with slashes as well, before which some programs write a backslash.
IMPOSSIBLE_DAYS_OF_JSON = (IMPOSSIBLE_DAY, _impossible(b"/"), _impossible(rb"\\/"))
# Months and days as SQLite's texts have them, behind the year and a sign.
_MONTHS_AND_DAYS = ("02-29", "02-30", "02-31", "04-31", "06-31", "09-31", "11-31")
_DAY = re.compile(r"\s*-?(\d+)[-/](\d\d?)[-/](\d\d?)", re.ASCII)
# The calendar comes again after 400 years.
_CYCLE_YEARS = 400

Array = np.ndarray[Any, Any]


def is_impossible(text: str) -> bool:
    """Tell whether a text begins with a day of a month that is too short for it."""
    found = _DAY.match(text)
    if found is None:
        return False
    year, month, day = found.groups()
    return not is_date((str(int(year) % _CYCLE_YEARS + 2 * _CYCLE_YEARS), month, day))


def are_impossible(years: Array, months: Array, days: Array) -> Array:
    """Tell which days are of a month that is too short for them."""
    odd = days > 28
    if odd.any():
        first = ((years - 1970) * 12 + months - 1).astype("datetime64[M]")
        length = (first + 1).astype("datetime64[D]") - first.astype("datetime64[D]")
        odd &= days > length.astype(np.int64)
    return odd


def condition_of(column: str) -> str:
    """Return a condition of SQL for texts that may begin with such a day.

    Parameters
    ----------
    column : str
        As SQL has it.
    """
    short = [text.removeprefix("0") for text in _MONTHS_AND_DAYS]
    listed = ", ".join(f"'{text}'" for text in (*_MONTHS_AND_DAYS, *short))
    # Most are told by their days alone; a slash comes after a hyphen, and digits after both.
    late = f"substr({column}, 8, 3) > '-28'"
    return f"{late} AND replace(substr({column}, 6, 5), '/', '-') IN ({listed})"
