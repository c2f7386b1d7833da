"""Values in the table of a shapefile that GDAL gives as others, without a word.

It takes each truth value but ``T``, ``t``, ``Y``, ``y`` and ``?`` for false (3.12), a blank one and
``1`` too, and for a date without its day or month, such as 20200000, another day. Of a memo that
there is not (others are refused) it gives the zeros that stand in its place.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyogrio

from marinemap.extraction.sources.shapefile_check import companion
from marinemap.extraction.sources.table_check import (
    FILLER,
    INCOMPLETE_DATE,
    Place,
    lengths_of,
    places_of,
)

_MENDED = "DL"
_TRUE, _FALSE = [b"T", b"t", b"Y", b"y", b"1"], [b"F", b"f", b"N", b"n", b"0"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class TableValues:
    """Looks up in the table of a shapefile what GDAL made of its values.

    Parameters
    ----------
    path : Path
        Of the shapefile.
    """

    path: Path

    def mended(self, rows: Any) -> Any:
        """Return features (pyarrow), whose ids come first, as the table has them.

        A date without its day or month is null, and so is a truth value that is blank, and a memo.
        """
        ids = np.asarray(rows.column(0))
        columns = {name: at for name, at in self.columns.items() if name in rows.schema.names}
        if not columns or not len(ids):
            return rows
        for name, texts in self._texts(columns, ids):
            at = rows.schema.get_field_index(name)
            field = rows.schema.field(at)
            if columns[name].is_elsewhere:
                column = pa.nulls(len(ids), field.type)
            elif pa.types.is_date(field.type):
                column = _dates(rows.column(at), texts)
            elif pa.types.is_boolean(field.type):
                column = _truth_values(texts)
            else:
                continue
            rows = rows.set_column(at, field, column)
        return rows

    @cached_property
    def columns(self) -> Mapping[str, Place]:
        """Where the columns of dates, truth values and memos are, by their names."""
        places = places_of(companion(self.path, ".dbf"))
        if not any(map(_is_mended, places)):
            return {}
        names = pyogrio.read_info(self.path)["fields"]
        pairs = zip(names, places, strict=False)
        return {name: place for name, place in pairs if _is_mended(place)}

    def _texts(self, columns: Mapping[str, Place], ids: Array) -> Iterator[tuple[str, Array]]:
        dbf = companion(self.path, ".dbf")
        count, header, row = lengths_of(dbf)
        with dbf.open("rb") as file:
            # Closed with what was last seen of it: what was looked at stays in memory no longer.
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            table = np.ndarray((count, row), np.uint8, data, header)
            for name, place in columns.items():
                cells = np.ascontiguousarray(table[ids, place.begin : place.begin + place.width])
                yield name, cells.view(f"S{place.width}").ravel()


def mend_of(path: Path, layer: str) -> Callable[[Any], Any] | None:
    """Return what puts the values of a shapefile right, as :class:`SourceFormat` has it."""
    found = TableValues(path)
    return found.mended if found.columns else None


def _is_mended(place: Place) -> bool:
    return place.width > 0 and (place.kind in _MENDED or place.is_elsewhere)


def _dates(column: Any, texts: Array) -> Any:
    odd = [text for text in np.unique(texts) if _is_no_day(text)]
    if not odd:
        return column
    is_null = pa.array(np.isin(texts, odd))
    return pc.if_else(is_null, pa.scalar(None, column.type), column)


def _is_no_day(text: bytes) -> bool:
    return not text.strip(FILLER) or INCOMPLETE_DATE.fullmatch(text) is not None


def _truth_values(texts: Array) -> Any:
    first = np.char.lstrip(texts, b" ").astype("S1")
    is_true, is_false = np.isin(first, _TRUE), np.isin(first, _FALSE)
    return pa.array(is_true, mask=~(is_true | is_false))
