"""Whether a text is a number or a day; GDAL's drivers make some value of any (3.12)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

_WHOLE = re.compile(r"([+-]?\d{1,400})(\.0*)?")
_REAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?|nan", re.IGNORECASE)


# Of a time of day GDAL keeps milliseconds: it rounds these to midnight, the day before.
NEAR_MIDNIGHT = rb"23:59:59\.999[5-9]"


@dataclass(frozen=True)
class Column:
    """A column whose cells have to be of a type: its place and name, and what tells."""

    at: int
    name: str
    type_name: str
    is_sound: Callable[[str], bool]


def is_whole(text: str, bits: int) -> bool:
    """Tell whether a text is a whole number of so many bits, perhaps with zeros behind a point."""
    found, most = _WHOLE.fullmatch(text), 2 ** (bits - 1)
    return found is not None and -most <= int(found[1]) < most


def is_real(text: str) -> bool:
    """Tell whether a text is a number, and one that is finite unless it says that it is not."""
    if not _REAL.fullmatch(text):
        return False
    return not (text[-1].isdigit() or text[-1] == ".") or math.isfinite(float(text))


def is_near_midnight(text: str) -> bool:
    """Tell whether a text is a time of day that GDAL rounds to midnight."""
    return re.match(NEAR_MIDNIGHT, text.strip().encode(errors="replace")) is not None


def is_date(parts: Iterable[str]) -> bool:
    """Tell whether there is a day of a year, month and day in digits."""
    try:
        date(*map(int, parts))
    except ValueError:
        return False
    return True
