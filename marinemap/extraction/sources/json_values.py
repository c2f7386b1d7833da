"""Values in the fields of GeoJSON that GDAL gives as others, without a word.

GDAL 3.12 takes a whole number of 20 signs for a real one, which holds 53 bits of it, and with it
the whole column; in a file of lines one beyond 64 bits becomes the last of them. Identifiers of
cells of the Earth (S2) are such numbers. A text ends for it where the sign NUL stands.
"""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from marinemap.errors import DatasetError
from marinemap.extraction.sources.impossible_days import IMPOSSIBLE_DAYS_OF_JSON
from marinemap.extraction.sources.mapped import WINDOW_BYTES, mapped
from marinemap.extraction.sources.source import state_of
from marinemap.sentences import say

# The numbers that GDAL gives as they are: in a file of one object, and in one of lines.
KEPT = range(-(10**18) + 1, 2**63)
KEPT_IN_LINES = range(-(2**63), 2**63)

_REMEMBERED = 256
# What has fewer digits is kept.
_DIGITS = 19
_NUMBER = re.compile(rb"-?\d+(?=\s*[,}\]])")
_NUL = b"\\u0000"
# Begins a text: of such alone GDAL makes a field of days or moments.
_IMPOSSIBLE = [re.compile(day + rb'(?=[" T])') for day in IMPOSSIBLE_DAYS_OF_JSON]
_YEAR = re.compile(rb'"\s*\d{4}$')
_MOST_BLANKS = 16
_PROPERTIES = re.compile(rb'"properties"\s*:\s*')
# Of a feature; one whose fields are longer is not looked into.
_MOST_BYTES = 1 << 20


def check_values(path: Path, kept: range) -> None:
    """Refuse a file with a whole number, in a field, that is not in a range, or with a NUL.

    It is gone through once for each of its states, for that takes half as long as GDAL's opening.
    """
    _check(path, kept, state_of(path))


def as_texts(path: Path) -> Mapping[str, str]:
    """Return what GDAL is told where a text looks like a day, and there is none such: all days and
    moments stay texts. It would count on from the end of the month.
    """
    return {"DATE_AS_STRING": "YES"} if has_impossible_day(path) else {}


def has_impossible_day(path: Path) -> bool:
    """Tell whether a text of a file begins with a day that there is not; of none that is gone."""
    try:
        return _has_impossible_day(path, state_of(path))
    except OSError:
        # It is told with more words when it is opened.
        return False


@lru_cache(_REMEMBERED)
def _has_impossible_day(path: Path, state: object) -> bool:
    with mapped(path) as file:
        if file is None:
            return False
        return any(
            _begins_a_text(file.data, found.start())
            for begin, end in file.windows(b'"')
            for day in _IMPOSSIBLE
            for found in day.finditer(file.data, begin, min(end + 1, len(file.data)))
        )


def _begins_a_text(data: mmap.mmap, month: int) -> bool:
    before = data[max(0, month - _MOST_BLANKS) : month]
    return _YEAR.search(before) is not None


@lru_cache(_REMEMBERED)
def _check(path: Path, kept: range, state: object) -> None:
    with mapped(path) as file:
        if file is None:
            return
        # No number lies across a quotation mark, nor does NUL.
        for begin, end in file.windows(b'"'):
            if (place := _nul(file.data, begin, end)) is not None:
                raise _cut_at_nul(path, file.data, place)
            for place in _long_runs(file.array[begin:end]):
                number = _number_at(file.data, begin + place)
                if number is None or number in kept:
                    continue
                if _is_in_fields(file.data, begin + place, number):
                    raise _not_kept(path, number)


def _nul(data: mmap.mmap, begin: int, end: int) -> int | None:
    place = data.find(_NUL, begin, end)
    while place >= 0:
        first = place
        while data[first - 1 : first] == b"\\":
            first -= 1
        # Two backslashes are one in the text, and no escape.
        if (place - first) % 2 == 0:
            return place
        place = data.find(_NUL, place + 1, end)
    return None


def _cut_at_nul(path: Path, data: mmap.mmap, place: int) -> DatasetError:
    parts = range(0, place, WINDOW_BYTES)
    line = 1 + sum(data[at : min(at + WINDOW_BYTES, place)].count(b"\n") for at in parts)
    return DatasetError(
        say(
            "line {line:,} of {name} has the sign NUL (\\u0000) in a text, which would end there",
            line=line,
            name=path.name,
        ),
        field="source",
        value=path.name,
        hint=say("Take it out of the text."),
    )


def _long_runs(text: np.ndarray[Any, Any]) -> Iterator[int]:
    """Yield where a run of so many digits begins."""
    digits = (text - np.uint8(ord("0"))) < 10
    runs = digits
    # Whether it and the next 1, 3, 7, 15 and then 18 are digits.
    for further in (1, 2, 4, 8, _DIGITS - 16):
        runs = runs[: runs.size - further] & runs[further:]
    for place in np.flatnonzero(runs):
        if place == 0 or not digits[place - 1]:
            yield int(place)


def _number_at(data: mmap.mmap, place: int) -> int | None:
    """Return the whole number whose digits begin at a place; None of what is part of another."""
    before = data[max(0, place - 1) : place]
    if before in b".eE+":
        return None
    found = _NUMBER.match(data, place - (before == b"-"))
    return int(found.group()) if found and len(found.group()) < 1000 else None


def _is_in_fields(data: mmap.mmap, place: int, number: int) -> bool:
    """Tell whether it is a value of a feature's, and not of a text or of a position."""
    name = data.rfind(b'"properties"', max(0, place - _MOST_BYTES), place)
    opened = _PROPERTIES.match(data, name) if name >= 0 else None
    if opened is None:
        return False
    numbers: set[int] = set()
    text = data[opened.end() : place + _MOST_BYTES].decode(errors="replace")
    decoder = json.JSONDecoder(parse_int=_collector(numbers))
    try:
        decoder.raw_decode(text)
    except (ValueError, RecursionError):
        return False
    return number in numbers


def _collector(numbers: set[int]) -> Callable[[str], int]:
    def collect(digits: str) -> int:
        # Python refuses to read more than some thousand digits.
        numbers.add(number := int(digits[:1000]))
        return number

    return collect


def _not_kept(path: Path, number: int) -> DatasetError:
    return DatasetError(
        say(
            "{name} has the whole number {number}, which would be read as another",
            name=path.name,
            number=str(number),
        ),
        field="source",
        value=path.name,
        hint=say("Write such numbers as texts, in quotation marks."),
    )
