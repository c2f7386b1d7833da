"""Columns of JSON whose texts are JSON: GDAL leaves plain texts in a field of several kinds."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa


def with_json(rows: Any) -> Any:
    """Return a batch or table (pyarrow) in whose columns of JSON a plain text is a JSON string."""
    for at, field in enumerate(rows.schema):
        if isinstance(field.type, pa.JsonType):
            texts = rows.column(at).to_pylist()
            mended = [_as_json(text) for text in texts]
            if mended != texts:
                storage = pa.array(mended, field.type.storage_type)
                rows = rows.set_column(
                    at, field, pa.ExtensionArray.from_storage(field.type, storage)
                )
    return rows


def _as_json(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return json.dumps(text, ensure_ascii=False)
    return text
