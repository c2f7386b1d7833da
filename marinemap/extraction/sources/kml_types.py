"""Whether a text in a KML is a value of its stated type; GDAL makes some number of any (3.12)."""

from __future__ import annotations

import re

from marinemap.extraction.sources.typed_texts import is_date, is_real, is_whole

# Of each type, what is looked at no closer; of most files all values are such.
PLAIN = {
    **dict.fromkeys(("int", "short", "ushort"), rb"\s*-?\d{1,9}\s*"),
    "uint": rb"\s*-?\d{1,18}\s*",
    **dict.fromkeys(("float", "double"), rb"\s*-?\d+(?:\.\d*)?\s*"),
    "bool": rb"(?:true|false|[01])",
}
PLAIN_MOMENT = (
    rb"\d{4}-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|1\d|2[0-8])"
    rb"(?:T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?)?)?"
)
# GDAL holds a short in 32 bits, and a uint in 64 with a sign.
_BITS = {"int": 32, "short": 32, "ushort": 32, "uint": 64}
_TRUTH = {"true", "false", "yes", "no", "1", "0"}
_YEAR = re.compile(r"(?!0000)\d{4}")
# OGC 12-007r2, 15.1: a day, a month or a year alone, or a moment.
_MOMENT = re.compile(
    r"(?P<month>\d{4}-\d\d?)(?P<day>-\d\d?)?"
    r"(?(day)(?:[T ](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?)?)(?:Z|[+-]\d\d(?::?\d\d)?)?"
)


def is_of_type(text: str, type_: str) -> bool:
    """Tell whether a text that is not empty is a value of a type of ``PLAIN``."""
    if type_ == "bool":
        return text.lower() in _TRUTH
    return is_whole(text, _BITS[type_]) if type_ in _BITS else is_real(text)


def is_year(text: str) -> bool:
    """Tell whether a text is a year alone, of which GDAL makes nothing."""
    return _YEAR.fullmatch(text) is not None


def is_moment(text: str) -> bool:
    """Tell whether a text is a month, a day or a moment that there is."""
    found = _MOMENT.fullmatch(text)
    return found is not None and is_date(f"{found['month']}{found['day'] or '-1'}".split("-"))
