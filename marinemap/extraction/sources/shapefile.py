"""Shapefiles as sources; ``shapefile_records`` looks at every record."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from marinemap.extraction.sources.source import SourceFormat, with_suffixes
from marinemap.extraction.sources.table_values import mend_of

# Esri, ShapefileTechnical Description, 1998; .cpg is Esri's later addition.
_PARTS = (".shx", ".dbf", ".prj", ".cpg")
_TYPE_AT, _MEASURES_AT, _CONTENT_AT = 32, 84, 108
# Where the content of a record of a type with measures says how many corners it has; a point has
# one, and does not say so.
_COUNT_AT = {11: 0, 13: 40, 15: 40, 18: 36, 21: 0, 23: 40, 25: 40, 28: 36, 31: 40}
# The header, and as much of the first record as counts its corners; a file of one null has less.
_LOOKED_AT = 152
_MOST_CORNERS = 1 << 16
# Any number below means no measure.
_NO_MEASURE = -1e38


def _options(path: Path) -> Mapping[str, str]:
    """Have GDAL read measures where the first record has none: it takes that for all (3.12)."""
    with path.open("rb") as file:
        begin = file.read(_LOOKED_AT)
        if not _states_measures(begin) or _has_measures(file, begin):
            return {}
    return {"ADJUST_GEOM_TYPE": "ALL_SHAPES"}


def _states_measures(begin: bytes) -> bool:
    if len(begin) < _LOOKED_AT:
        return False
    (kind,) = struct.unpack_from("<i", begin, _TYPE_AT)
    low, high = struct.unpack_from("<2d", begin, _MEASURES_AT)
    return kind in _COUNT_AT and high > _NO_MEASURE and (low, high) != (0, 0)


def _has_measures(file: BinaryIO, begin: bytes) -> bool:
    """Tell whether the first record has a measure; of one without any its heights count."""
    (words,) = struct.unpack_from(">i", begin, _CONTENT_AT - 4)
    (kind,) = struct.unpack_from("<i", begin, _CONTENT_AT)
    if kind not in _COUNT_AT:
        return False
    at = _COUNT_AT[kind]
    count = struct.unpack_from("<i", begin, _CONTENT_AT + at)[0] if at else 1
    size = 8 * min(max(count, 0), _MOST_CORNERS)
    file.seek(max(_CONTENT_AT + 2 * words - size, _CONTENT_AT))
    last = file.read(size)
    values = struct.unpack(f"<{len(last) // 8}d", last[: len(last) // 8 * 8])
    return any(value > _NO_MEASURE for value in values)


SOURCE = SourceFormat(
    (".shp",),
    parts=with_suffixes(*_PARTS),
    has_index=True,
    opens_safely=True,
    has_one_zone=True,
    options=_options,
    mend=mend_of,
)
