"""Fields with a list of codes, such as 1 for rock and 2 for sand: their values are the codes.

Of a field of whole numbers with a coded domain (file geodatabase, GeoPackage) GDAL makes Arrow's
dictionary: the codes are indices into the names, with nothing at those that the list passes over.
Read as such, a code that is not in the list would be null, and one beyond it an error (GDAL 3.12).
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa


def with_codes(rows: Any) -> Any:
    """Return a batch or table (pyarrow) with the codes themselves, whatever the list says."""
    for at, field in enumerate(rows.schema):
        if pa.types.is_dictionary(field.type):
            rows = rows.set_column(at, field.with_type(field.type.index_type), _codes(rows, at))
    return rows


def _codes(rows: Any, at: int) -> Any:
    column = rows.column(at)
    if isinstance(column, pa.ChunkedArray):
        chunks = [each.indices for each in column.chunks]
        return pa.chunked_array(chunks, column.type.index_type)
    return column.indices
