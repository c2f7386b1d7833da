"""Fields as a shapefile can hold them: ten-byte names, 254-byte texts, a handful of types."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from marinemap.sentences import say

# DBF field names hold ten bytes (dBASE III header; GDAL ESRI Shapefile driver).
MAX_NAME_BYTES = 10
# DBF character fields hold 254 bytes (dBASE III; a length of 255 is reserved).
MAX_TEXT_BYTES = 254
# ArcGIS reads numbers of more than 9 digits as double, which is exact to 15 digits.
MAX_EXACT_INTEGER = 10**15 - 1
# Names that ArcGIS adds of its own, so that a column of the data would clash.
_RESERVED = {"fid", "objectid", "shape", "shape_leng", "shape_area", "oid"}
# Letters that Unicode does not take apart into a base letter and a mark.
_TRANSLITERATED = str.maketrans(
    {"ß": "ss", "ø": "o", "Ø": "O", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ł": "l"}
    | {"Ł": "L", "đ": "d", "Đ": "D", "ð": "d", "þ": "th", "ı": "i"}
)


@dataclass(frozen=True)
class DbfType:
    """How a column is kept in DBF: type letter, least width, decimals, and its name for people."""

    kind: str
    width: int
    decimals: int
    label: str


@dataclass(frozen=True)
class DbfTexts:
    """A column as the texts that stand in a DBF; nulls stay null.

    ``cut`` counts texts shortened to 254 bytes, ``longest`` is the longest before, ``lost`` counts
    numbers and dates that DBF cannot hold and that became null.
    """

    texts: Any
    cut: int = 0
    longest: int = 0
    lost: int = 0


def launder_names(names: Iterable[str]) -> dict[str, str]:
    """Map field names to names that every shapefile reader takes.

    ASCII letters, digits and ``_``, no leading digit, at most ten bytes, unique without regard
    to case, none reserved. The same names always give the same result.

    >>> launder_names(["name", "habitat_class", "habitat_code", "Größe"])
    {'name': 'name', 'habitat_class': 'habitat_cl', 'habitat_code': 'habitat_co', 'Größe': 'Grosse'}
    """
    wanted = {name: _ascii(name) for name in names}
    # A name that needs no change keeps it, whatever comes before it.
    kept = [name for name, plain in wanted.items() if name == plain and _is_free(name)]
    taken = set(_RESERVED)
    laundered: dict[str, str] = {}
    for name in [*kept, *(name for name in wanted if name not in set(kept))]:
        laundered[name] = _unique(wanted[name], taken)
        taken.add(laundered[name].lower())
    return {name: laundered[name] for name in wanted}


def unique_names(
    names: Iterable[str], reserved: Iterable[str] = (), clean: Callable[[str], str] = str
) -> dict[str, str]:
    """Map field names to names that differ without regard to case, and are not reserved.

    >>> unique_names(["name", "Name", "OGC_FID"], ["ogc_fid"])
    {'name': 'name', 'Name': 'Name_1', 'OGC_FID': 'OGC_FID_1'}
    """
    wanted = {name: clean(name) for name in names}
    taken = {name.lower() for name in reserved}
    # A number that is put behind a name must not make another's.
    given = {name.lower() for name in wanted}
    found: dict[str, str] = {}
    for name, plain in wanted.items():
        found[name], number = plain, 0
        while found[name].lower() in taken or (number and found[name].lower() in given):
            number += 1
            found[name] = f"{plain}_{number}"
        taken.add(found[name].lower())
    return found


def dbf_type(type_: Any) -> DbfType:
    """Return how an Arrow type is kept in DBF."""
    if pa.types.is_boolean(type_):
        return DbfType("L", 1, 0, "logical")
    if pa.types.is_date(type_):
        return DbfType("D", 8, 0, "date")
    if pa.types.is_integer(type_):
        # GDAL reads up to 9 digits as 32-bit, up to 18 as 64-bit integers.
        return DbfType("N", 9 if type_.bit_width <= 32 else 18, 0, "integer")
    if pa.types.is_floating(type_):
        # The shortest text that gives the same double back has up to 24 characters.
        return DbfType("N", 24, 15, "real")
    return DbfType("C", 1, 0, "text")


def type_words(type_: Any) -> str:
    """Return what an Arrow type is called before people.

    >>> type_words(pa.timestamp("ms", tz="UTC"))
    'date and time'
    """
    named = next((words for is_so, words in _TYPE_WORDS if is_so(type_)), None)
    return named or str(type_)


_TYPE_WORDS: list[tuple[Callable[[Any], bool], str]] = [
    (lambda type_: isinstance(type_, pa.JsonType), say("JSON")),
    (pa.types.is_timestamp, say("date and time")),
    (pa.types.is_date, say("date")),
    (pa.types.is_time, say("time of day")),
    (pa.types.is_duration, say("duration")),
    (pa.types.is_boolean, say("true or false")),
    (pa.types.is_integer, say("integer")),
    (pa.types.is_floating, say("real")),
    (pa.types.is_decimal, say("decimal number")),
    (pa.types.is_string, say("text")),
    (pa.types.is_large_string, say("text")),
    (pa.types.is_binary, say("bytes")),
    (pa.types.is_large_binary, say("bytes")),
    (pa.types.is_fixed_size_binary, say("bytes")),
    (pa.types.is_struct, say("structure")),
    (pa.types.is_nested, say("list")),
    (pa.types.is_dictionary, say("list of choices")),
]


def changes_type(type_: Any, kept_as: DbfType) -> bool:
    """Tell whether a column becomes text in DBF though it was none."""
    return kept_as.kind == "C" and not _is_text(_value_type(type_))


def to_texts(column: Any, kept_as: DbfType) -> DbfTexts:
    """Return an Arrow column as texts for a DBF.

    Dates become ``YYYYMMDD``; date-times ISO 8601 text, for DBF has no time of day; lists and
    structures JSON; bytes hexadecimal digits.
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if kept_as.kind == "L":
        return DbfTexts(pc.if_else(column, "T", "F"))
    if kept_as.kind == "D":
        return _date_texts(column)
    if kept_as.kind == "N" and kept_as.decimals:
        finite = pc.if_else(pc.is_finite(column), column, pa.scalar(None, column.type))
        return DbfTexts(finite.cast(pa.string()), lost=finite.null_count - column.null_count)
    if kept_as.kind == "N":
        return DbfTexts(column.cast(pa.string()))
    return _cut_to_fit(_as_text(column))


def to_plain_text(column: Any) -> Any:
    """Return a column as text in full, as ``to_texts`` writes it, whatever its type."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return _as_text(column)


def exceeds_exact_integers(column: Any) -> bool:
    """Tell whether a column holds integers of more than 15 digits."""
    if not pa.types.is_integer(column.type) or column.type.bit_width <= 32:
        return False
    extremes = pc.min_max(column).as_py()
    low, high = extremes["min"] or 0, extremes["max"] or 0
    return bool(max(-low, high) > MAX_EXACT_INTEGER)


def _date_texts(column: Any) -> DbfTexts:
    days = column.cast(pa.date32())
    year = pc.year(days)
    # Eight characters leave four for the year.
    fits = pc.and_(pc.greater_equal(year, 1), pc.less_equal(year, 9999))
    days = pc.if_else(fits, days, pa.scalar(None, pa.date32()))
    number = pc.add(
        pc.add(pc.multiply(pc.year(days), 10_000), pc.multiply(pc.month(days), 100)), pc.day(days)
    )
    texts = pc.ascii_lpad(number.cast(pa.string()), 8, "0")
    return DbfTexts(texts, lost=days.null_count - column.null_count)


def _cut_to_fit(texts: Any) -> DbfTexts:
    lengths = pc.binary_length(texts)
    longest = pc.max(lengths).as_py() or 0
    if longest <= MAX_TEXT_BYTES:
        return DbfTexts(texts, longest=longest)
    too_long = pc.fill_null(pc.greater(lengths, MAX_TEXT_BYTES), False)
    cut = [_cut(text) for text in texts.filter(too_long).to_pylist()]
    fitted = pc.replace_with_mask(texts, too_long, pa.array(cut, pa.string()))
    return DbfTexts(fitted, cut=len(cut), longest=longest)


def _cut(text: str) -> str:
    """Cut to 254 bytes of UTF-8, never within a character."""
    return text.encode()[:MAX_TEXT_BYTES].decode(errors="ignore")


def _as_text(column: Any) -> Any:
    if _is_text(column.type):
        return column.cast(pa.string())
    if pa.types.is_integer(column.type):
        return column.cast(pa.string())
    if column.type == pa.timestamp("ns", getattr(column.type, "tz", None)):
        # Python's own moments end at the microsecond.
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    as_text = _writer_of(column.type)
    try:
        values = column.to_pylist()
    except (OverflowError, ValueError):
        return beyond_python(column)
    return pa.array([None if value is None else as_text(value) for value in values], pa.string())


def beyond_python(column: Any, utc: str = "+00:00") -> Any:
    """Return days or moments as ISO 8601 where Python's end: before the year 1, after 9999.

    Behind a moment that has a zone stands ``utc``.
    """
    zone = ""
    if pa.types.is_timestamp(column.type):
        zone = utc if column.type.tz else ""
        column = column.cast(pa.int64()).cast(pa.timestamp(column.type.unit))
    # numpy's years before 0 have three digits.
    texts = pc.replace_substring(column.cast(pa.string()), " ", "T")
    return pc.binary_join_element_wise(texts, zone, "")


def _writer_of(type_: Any) -> Callable[[Any], str]:
    if pa.types.is_temporal(type_) and not pa.types.is_duration(type_):
        return lambda value: str(value.isoformat())
    if pa.types.is_binary(type_) or pa.types.is_large_binary(type_):
        return lambda value: str(value.hex())
    if pa.types.is_nested(type_):
        return lambda value: json.dumps(value, ensure_ascii=False, default=str)
    return str


def _value_type(type_: Any) -> Any:
    return type_.value_type if pa.types.is_dictionary(type_) else type_


def _is_text(type_: Any) -> bool:
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_))


def _ascii(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.translate(_TRANSLITERATED))
    plain = re.sub(r"[^A-Za-z0-9_]", "_", plain.encode("ascii", "ignore").decode())
    plain = plain.strip("_") or "field"
    return f"f_{plain}" if plain[0].isdigit() else plain


def _is_free(name: str) -> bool:
    return len(name) <= MAX_NAME_BYTES and name.lower() not in _RESERVED


def _unique(name: str, taken: set[str]) -> str:
    short = name[:MAX_NAME_BYTES]
    number = 1
    while short.lower() in taken:
        suffix = f"_{number}"
        short = name[: MAX_NAME_BYTES - len(suffix)] + suffix
        number += 1
    return short
