"""Numbers within fields of several kinds of GeoJSON, as short as JSON's writers have them.

GDAL gives such a field as JSON, and its reals with 17 digits (3.12): 5.6 as 5.5999999999999996,
which is the same number to programs and another one to people.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_LONG = r"\.\d{14}"
# A text is passed over as a whole.
_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d+\.\d{14,}(?:[eE][+-]?\d+)?', re.DOTALL)


def with_short_numbers(rows: Any) -> Any:
    """Return a batch or table (pyarrow) in whose columns of JSON no real has needless digits."""
    for at, field in enumerate(rows.schema):
        if isinstance(field.type, pa.JsonType):
            texts = rows.column(at).cast(field.type.storage_type)
            if pc.any(pc.match_substring_regex(texts, _LONG)).as_py():
                storage = pa.array(map(_short, texts.to_pylist()), field.type.storage_type)
                column = pa.ExtensionArray.from_storage(field.type, storage)
                rows = rows.set_column(at, field, column)
    return rows


def _short(text: str | None) -> str | None:
    try:
        json.loads(text or "")
    except (ValueError, RecursionError):
        # Plain texts stand in such a column as they are.
        return text
    return text and _PIECE.sub(_shortened, text)


def _shortened(found: re.Match[str]) -> str:
    piece = found.group()
    return piece if piece.startswith('"') else repr(float(piece))
