"""Whether the cells of a CSV are of the types that its ``.csvt`` states.

Of those that are not GDAL makes null, the largest number that there is, or another day (3.12).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

from marinemap.extraction.sources.typed_texts import Column, is_date, is_near_midnight

Test = Callable[[str], bool]
_WHOLE = re.compile(r" *[+-]?\d+")
_REAL = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?|nan", re.IGNORECASE)
_DAY = re.compile(r"(\d{4})[-/](\d\d)[-/](\d\d)")
_TIME = r"([01]\d|2[0-3]):[0-5]\d(:[0-6]\d(\.\d+)?)?"
_MOMENT = re.compile(rf"({_DAY.pattern})([T ]{_TIME} ?(Z|[+-]\d\d(:?\d\d)?)?)?")
_TRUTH = {"true", "false", "t", "f", "yes", "no", "y", "n", "on", "off", "0", "1"}
_BITS = {"integer(int16)": 16, "integer": 32, "integer64": 64}
_WIDTH = re.compile(r"\(\d+(\.\d+)?\)")


def typed_columns(names: Sequence[str], types: Sequence[str]) -> list[Column]:
    """Return the columns of which not every text is a value, by their types in small letters."""
    pairs = zip(names, types, strict=False)
    tests = [(at, name, type_, _test_of(type_)) for at, (name, type_) in enumerate(pairs)]
    return [Column(at, name, type_, test) for at, name, type_, test in tests if test]


def _test_of(type_name: str) -> Test | None:
    plain = _WIDTH.sub("", type_name)
    if plain in _BITS:
        most = 2 ** (_BITS[plain] - 1)
        return lambda text: bool(_WHOLE.fullmatch(text)) and -most <= int(text) < most
    return _TESTS.get(plain)


def _is_real(text: str) -> bool:
    if not _REAL.fullmatch(text):
        return False
    return not text[-1].isdigit() or math.isfinite(float(text.replace(",", ".")))


def _is_day(text: str) -> bool:
    found = _DAY.fullmatch(text)
    return found is not None and is_date(found.groups())


def _is_moment(text: str) -> bool:
    found = _MOMENT.fullmatch(text)
    return found is not None and _is_day(found[1])


def _is_time(text: str) -> bool:
    return re.fullmatch(_TIME, text) is not None and not is_near_midnight(text)


def _is_truth(text: str) -> bool:
    return text.lower() in _TRUTH


_TESTS: dict[str, Test] = {
    "integer(boolean)": _is_truth,
    "real": _is_real,
    "real(float32)": _is_real,
    "date": _is_day,
    "datetime": _is_moment,
    "time": _is_time,
}
