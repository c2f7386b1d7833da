"""Write CSV with the geometry as well-known text in its first column."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import shapely
from pyarrow import csv

from marinemap.errors import ServiceError
from marinemap.extraction.formats.columns import NO_NUL, Columns, Rule, is_text
from marinemap.extraction.formats.crs_text import esri_wkt
from marinemap.extraction.formats.fields import to_plain_text
from marinemap.extraction.formats.finite_heights import FiniteHeights
from marinemap.extraction.formats.format import Format
from marinemap.extraction.formats.moments import CALENDAR
from marinemap.extraction.formats.plan import WritePlan
from marinemap.extraction.formats.read_back import without_values
from marinemap.extraction.formats.weight import Texts, Weight
from marinemap.extraction.formats.written import WrittenLayer
from marinemap.extraction.geometry.wkb import to_geometries

# GDAL and QGIS look for the geometry in a column of this name.
_GEOMETRY = "WKT"
# A cell that begins so is run as a formula by spreadsheets (OWASP, "CSV Injection").
_FORMULA = r"^[=+\-@\t\r]"
_TYPES = [
    (pa.types.is_boolean, "Integer(Boolean)"),
    (pa.types.is_date, "Date"),
    (pa.types.is_timestamp, "DateTime"),
    (pa.types.is_int64, "Integer64"),
    (pa.types.is_uint32, "Integer64"),
    (pa.types.is_integer, "Integer"),
    (pa.types.is_floating, "Real"),
]


def _harmless(column: Any) -> Any:
    risky = pc.fill_null(pc.match_substring_regex(column, _FORMULA), False)
    return pc.if_else(risky, pc.binary_join_element_wise("'", column, ""), column)


_NO_FORMULA = Rule(
    "text_quoted",
    is_text,
    _harmless,
    "{count:,} of the texts of '{field}' had an apostrophe put before: a spreadsheet runs what "
    "begins with such a sign as a formula",
)


class CSVWriter:
    """Writes a layer as CSV, each number in as many digits as it needs to be read back.

    GDAL's own writer cuts reals to 15 digits.
    """

    def __init__(self, plan: WritePlan) -> None:
        self._plan = plan
        self._path = plan.folder / f"{plan.name}{FORMAT.suffix}"
        self._columns = Columns(
            plan.schema,
            reserved=[_GEOMETRY.lower()],
            clean=_name,
            rules=[NO_NUL, _NO_FORMULA, CALENDAR],
            keep=_keeps,
        )
        fields = [pa.field(f.name, _cell_type(f.type)) for f in self._columns.schema]
        self._schema = pa.schema([pa.field(_GEOMETRY, pa.string()), *fields])
        options = csv.WriteOptions(quoting_style="needed")
        self._file = csv.CSVWriter(self._path, self._schema, write_options=options)
        self._features = 0
        self._heights = FiniteHeights(with_measures=True)

    def write(self, geometries: Any, attributes: Any) -> None:
        """Append features.

        Raises
        ------
        ServiceError
            If the disk is full or fails.
        """
        # As many digits as are needed, no more.
        texts = shapely.to_wkt(to_geometries(self._heights.of(geometries)), rounding_precision=-1)
        cells = [_cells(column) for column in self._columns.written(attributes)]
        batch = pa.RecordBatch.from_arrays(
            [pa.array(texts, pa.string()), *cells], schema=self._schema
        )
        try:
            self._file.write_batch(batch)
        except OSError as error:
            raise ServiceError(f"{self._path.name} cannot be written: {error}") from error
        self._features += len(batch)

    def close(self) -> list[WrittenLayer]:
        """Finish the file; the types and the CRS stand beside it."""
        self._file.close()
        types = ",".join(f'"{_type_name(field.type)}"' for field in self._columns.schema)
        beside = {".csvt": f'"WKT",{types}'.rstrip(","), ".prj": esri_wkt(self._plan.crs)}
        for suffix, text in beside.items():
            self._path.with_suffix(suffix).write_text(f"{text}\n", encoding="utf-8")
        return [
            WrittenLayer(
                FORMAT.id,
                self._path,
                (self._path, *(self._path.with_suffix(suffix) for suffix in beside)),
                self._plan.name,
                "Unknown",
                self._features,
                self._columns.names,
                losses=(*self._columns.losses(), *self._heights.losses()),
            )
        ]

    def abandon(self) -> None:
        """Let go of the file as it is."""
        self._file.close()


def _name(name: str) -> str:
    # GDAL takes a line with a cell that is empty for data, not for names.
    return f"'{name}" if re.match(_FORMULA, name) else name or "field"


def _keeps(type_: Any) -> bool:
    return is_text(type_) or any(is_so(type_) for is_so, _ in _TYPES)


def _type_name(type_: Any) -> str:
    """Return what GDAL's driver calls a type in the .csvt."""
    return next((name for is_so, name in _TYPES if is_so(type_)), "String")


def _cell_type(type_: Any) -> Any:
    if pa.types.is_boolean(type_):
        return pa.int8()
    if pa.types.is_timestamp(type_):
        return pa.string()
    return type_


def _cells(column: Any) -> Any:
    if pa.types.is_timestamp(column.type):
        return to_plain_text(column)
    return column.cast(_cell_type(column.type))


FORMAT = Format(
    id="csv",
    title="CSV",
    suffix=".csv",
    media_type="text/csv",
    about="Geometry as well-known text in the first column, types and CRS in files beside it. "
    "Texts that a spreadsheet would run as a formula get an apostrophe before them.",
    has_esri_crs=True,
    writer=CSVWriter,
    weigh=Weight(empty=240, feature=12, number=1, digits=repr, values=Texts(frame=2)),
    read_back=without_values,
)
