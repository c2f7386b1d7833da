"""Fields as a shapefile can hold them: ten-byte names, 254-byte texts, a handful of types."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

# DBF field names hold ten bytes (dBASE III header; GDAL ESRI Shapefile driver).
MAX_NAME_BYTES = 10
# DBF character fields hold 254 bytes (dBASE III; a length of 255 is reserved).
MAX_TEXT_BYTES = 254
# Names that ArcGIS adds of its own, so that a column of the data would clash.
_RESERVED = {"fid", "objectid", "shape", "shape_leng", "shape_area", "oid"}


def launder_names(names: Iterable[str]) -> dict[str, str]:
    """Map field names to names that every shapefile reader takes.

    ASCII letters, digits and ``_``, no leading digit, at most ten bytes, unique without regard
    to case, none reserved. The same names always give the same result.

    >>> launder_names(["name", "habitat_class", "habitat_code", "Größe"])
    {'name': 'name', 'habitat_class': 'habitat_cl', 'habitat_code': 'habitat_co', 'Größe': 'Grosse'}
    """
    taken: set[str] = set(_RESERVED)
    laundered: dict[str, str] = {}
    for name in names:
        laundered[name] = _unique(_ascii(name), taken)
        taken.add(laundered[name].lower())
    return laundered


def to_dbf_column(column: Any) -> tuple[Any, int]:
    """Return an Arrow column as DBF can hold it, and how many texts had to be cut.

    Parameters
    ----------
    column : pyarrow.Array
        Dates, numbers, booleans and texts stay; date-times become ISO 8601 text (DBF has no
        time of day); other types become text.
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if _is_kept(column.type):
        return column, 0
    texts = _as_text(column)
    too_long = pc.greater(pc.binary_length(texts), MAX_TEXT_BYTES)
    count = pc.sum(too_long).as_py() or 0
    if count == 0:
        return texts, 0
    return pa.array([_cut(text) for text in texts.to_pylist()], pa.string()), int(count)


def _is_kept(type_: Any) -> bool:
    number = pa.types.is_integer(type_) or pa.types.is_floating(type_)
    return bool(
        (number and type_ != pa.uint64()) or pa.types.is_boolean(type_) or pa.types.is_date32(type_)
    )


def _as_text(column: Any) -> Any:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return column.cast(pa.string())
    if pa.types.is_timestamp(column.type):
        texts = [None if t is None else t.isoformat() for t in column.to_pylist()]
        return pa.array(texts, pa.string())
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        return pa.array([None if b is None else b.hex() for b in column.to_pylist()], pa.string())
    return pa.array([None if v is None else str(v) for v in column.to_pylist()], pa.string())


def _cut(text: str | None) -> str | None:
    """Cut to 254 bytes of UTF-8, never within a character."""
    if text is None:
        return None
    return text.encode()[:MAX_TEXT_BYTES].decode(errors="ignore")


def _ascii(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss").replace("ø", "o"))
    plain = re.sub(r"[^A-Za-z0-9_]", "_", plain.encode("ascii", "ignore").decode())
    plain = plain.strip("_") or "field"
    return f"f_{plain}" if plain[0].isdigit() else plain


def _unique(name: str, taken: set[str]) -> str:
    short = name[:MAX_NAME_BYTES]
    number = 1
    while short.lower() in taken:
        suffix = f"_{number}"
        short = name[: MAX_NAME_BYTES - len(suffix)] + suffix
        number += 1
    return short
