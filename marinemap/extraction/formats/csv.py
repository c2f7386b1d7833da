"""Write CSV with the geometry as well-known text in its first column."""

from __future__ import annotations

import dataclasses
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from marinemap.extraction.formats.format import Format
from marinemap.extraction.formats.ogr import OgrWriter
from marinemap.extraction.formats.plan import WritePlan
from marinemap.extraction.formats.read_back import loosely
from marinemap.extraction.formats.written import Loss, WrittenLayer

# A cell that begins so is run as a formula by spreadsheets (OWASP, "CSV Injection").
_FORMULA = r"^[=+\-@\t\r]"


class CSVWriter(OgrWriter):
    """Writes a layer as CSV. A text that a spreadsheet would run gets an apostrophe before it."""

    def __init__(self, plan: WritePlan) -> None:
        self._quoted = 0
        options = {"GEOMETRY": "AS_WKT", "CREATE_CSVT": "YES"}
        super().__init__(plan, FORMAT.id, FORMAT.suffix, "CSV", "Unknown", options)

    def write(self, geometries: Any, attributes: Any) -> None:
        """Append features."""
        columns = [self._safe(column) for column in attributes.columns]
        super().write(geometries, pa.RecordBatch.from_arrays(columns, schema=attributes.schema))

    def close(self) -> list[WrittenLayer]:
        """Finish the file."""
        (written,) = super().close()
        if not self._quoted:
            return [written]
        detail = (
            f"{self._quoted:,} texts begin with a sign that a spreadsheet runs as a formula; an "
            "apostrophe was put before them"
        )
        return [
            dataclasses.replace(written, losses=(Loss("text_quoted", "", self._quoted, detail),))
        ]

    def _safe(self, column: Any) -> Any:
        if not pa.types.is_string(column.type):
            return column
        risky = pc.fill_null(pc.match_substring_regex(column, _FORMULA), False)
        count = pc.sum(risky).as_py() or 0
        self._quoted += count
        quoted = pc.binary_join_element_wise("'", column, "")
        return pc.if_else(risky, quoted, column) if count else column


FORMAT = Format(
    id="csv",
    title="CSV",
    suffix=".csv",
    media_type="text/csv",
    about="Geometry as well-known text in the first column; no place for the CRS, which the README "
    "states. Texts that a spreadsheet would run as a formula get an apostrophe before them.",
    writer=CSVWriter,
    read_back=loosely,
)
