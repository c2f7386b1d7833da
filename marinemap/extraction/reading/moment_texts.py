"""Moments as texts, as GDAL writes them: their zones, and when they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from marinemap.errors import DatasetError, quote
from marinemap.extraction.sources.impossible_days import are_impossible
from marinemap.sentences import say

# ISO 8601 as GDAL writes it; years may have a sign, and a second may be the 60th. Where it leaves
# out a fraction that rounds to none, its bytes stay behind the text (3.12).
_MOMENT = (
    r"^(?P<year>-?\d+)-(?P<month>\d+)-(?P<day>\d+)T(?P<hour>\d+):(?P<minute>\d+)"
    r":(?P<second>\d+)(?:\.(?P<milli>\d+))?(?P<zone>Z|[+-]\d\d:?\d\d)?\x00*$"
)


def zones_in(texts: Any, title: str) -> set[str | None]:
    """Return the zones that moments bear; None among them where one bears none.

    Parameters
    ----------
    texts : pyarrow.StringArray
    title : str
        What to call the field in a message.

    Raises
    ------
    DatasetError
        If one is of a day that there is not.
    """
    texts = texts.drop_null()
    parts = pc.extract_regex(texts, _MOMENT)
    # Where all are of one zone they are not read as texts again.
    _dates_in(parts, texts, title)
    return {zone or None for zone in pc.unique(pc.struct_field(parts, "zone")).to_pylist()}


def moments_of(texts: Any, zone: str | None, title: str) -> Any:
    """Return moments (pyarrow) in a zone, in milliseconds.

    Raises
    ------
    DatasetError
        If a text is no moment.
    """
    parts = pc.extract_regex(texts, _MOMENT)
    wrong = pc.and_not(pc.is_valid(texts), pc.is_valid(parts))
    if pc.any(wrong).as_py():
        raise _no_moment(texts.filter(wrong)[0].as_py(), title)
    numbers = _milliseconds(parts, _dates_in(parts, texts, title))
    return pa.array(numbers, pa.timestamp("ms", zone), mask=np.asarray(pc.is_null(texts)))


def _no_moment(found: str, title: str) -> DatasetError:
    return DatasetError(
        say("{title}: '{found}' is no moment", title=title, found=quote(found)),
        field="source",
        value=found,
        hint=say("Mend the value, or take it out."),
    )


def _dates_in(parts: Any, texts: Any, title: str) -> tuple[Any, Any, Any]:
    """Return years, months and days; GDAL counts on from a day that there is not.

    Raises
    ------
    DatasetError
        If there is such a day.
    """
    years, months, days = (_integers(parts, name) for name in ("year", "month", "day"))
    impossible = are_impossible(years, months, days)
    if impossible.any():
        raise _no_moment(texts.filter(pa.array(impossible))[0].as_py(), title)
    return years, months, days


def _milliseconds(parts: Any, dates: tuple[Any, Any, Any]) -> Any:
    """Return moments since 1970, less their offset where they bear one.

    By arithmetic: a second of 60, which GDAL takes, is beyond what libraries of time read.
    """
    year, month, day = dates
    months = (year - 1970) * 12 + month - 1
    days = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + day - 1
    seconds = days * 86_400
    for name, each in (("hour", 3_600), ("minute", 60), ("second", 1)):
        seconds = seconds + _integers(parts, name) * each
    milli = pc.utf8_rpad(pc.struct_field(parts, "milli"), 3, "0")
    fractions = _as_integers(pc.utf8_slice_codeunits(milli, 0, 3))
    return (seconds - _offsets(parts)) * 1000 + fractions


def _offsets(parts: Any) -> Any:
    """Return the offsets from UTC in seconds; 0 where there is none."""
    zones = pc.struct_field(parts, "zone").dictionary_encode()
    zones = zones.combine_chunks() if isinstance(zones, pa.ChunkedArray) else zones
    seconds = np.array([_seconds(zone) for zone in zones.dictionary.to_pylist()] or [0], np.int64)
    return seconds[np.asarray(zones.indices.fill_null(0))]


def _seconds(zone: str | None) -> int:
    if not zone or zone == "Z":
        return 0
    sign = -1 if zone[0] == "-" else 1
    return sign * (int(zone[1:3]) * 3_600 + int(zone[-2:]) * 60)


def _integers(parts: Any, name: str) -> Any:
    return _as_integers(pc.struct_field(parts, name))


def _as_integers(texts: Any) -> Any:
    plain = pc.if_else(pc.equal(texts, ""), "0", texts).fill_null("0")
    return np.asarray(plain.cast(pa.int64()))
