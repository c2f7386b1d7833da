"""Positions out of two columns of texts or numbers, where GDAL makes wrong ones of some texts.

Its CSV driver takes ``-`` for 0, and none of ``08.5`` (3.12). A feature whose texts are no two
numbers lies nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyogrio
import shapely

from marinemap.errors import DatasetError, quote
from marinemap.extraction.dataset import Bounds
from marinemap.extraction.geometry.wkb import Array, to_column
from marinemap.extraction.sources import source_format_of
from marinemap.extraction.sources.source import PointColumns
from marinemap.sentences import say

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
# A comma before decimals, where there is one and no point.
_COMMA = r"^([^,.]*),([^,.]*)$"
_MINUS = "\N{MINUS SIGN}"
# Beyond are marks of what is unknown, such as -999.
_MOST_LONGITUDE, _MOST_LATITUDE = 360.0, 90.0
_MARK = {b"ARROW:extension:name": b"geoarrow.wkb"}
_NAME = "\0geometry"


@dataclass(frozen=True)
class Points:
    """Makes positions of the columns of a batch or table.

    Parameters
    ----------
    columns : PointColumns
    are_degrees : bool
        Whether they are degrees for their names alone: then those beyond are none.
    """

    columns: PointColumns
    are_degrees: bool

    def asked(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Return what pyogrio is asked for, in place of arguments that ask for geometries."""
        asked = {name: value for name, value in wanted.items() if name != "bbox"}
        if asked.get("columns") is not None:
            more = (self.columns.x, self.columns.y)
            asked["columns"] = list(dict.fromkeys((*asked["columns"], *more)))
        return {**asked, "read_geometry": False}

    def made(self, rows: Any, wanted: Mapping[str, Any]) -> Any:
        """Return rows (pyarrow) with positions in a last column, of arguments as they were."""
        x, y = self._numbers(rows)
        for name, numbers in ((self.columns.x, x), (self.columns.y, y)):
            at = rows.schema.get_field_index(name)
            rows = rows.set_column(at, name, pa.array(numbers, from_pandas=True))
        if wanted.get("columns") is not None:
            others = {self.columns.x, self.columns.y} - {*wanted["columns"]}
            rows = rows.drop_columns(sorted(others))
        if not wanted.get("read_geometry", True):
            return rows
        there = self._are_positions(x, y)
        column = pa.field(_NAME, pa.binary(), metadata=_MARK)
        rows = rows.append_column(column, _as_wkb(x, y, there))
        box = wanted.get("bbox")
        return rows if box is None else rows.filter(pa.array(there & _within(x, y, box)))

    def extent(self, path: Path, layer: str) -> tuple[int, Bounds | None]:
        """Return how many features a file holds, and the box of those that lie somewhere.

        Raises
        ------
        DatasetError
            If there are some, and none does: then the columns hold something else.
        OSError, pyogrio's errors or pyarrow.ArrowException
            If GDAL cannot read it.
        """
        count, boxes, shown = 0, [], ""
        for rows in self._rows(path, layer):
            x, y = self._numbers(rows)
            there = self._are_positions(x, y)
            count += rows.num_rows
            shown = shown or _first_text(rows)
            if there.any():
                boxes.append((x[there].min(), y[there].min(), x[there].max(), y[there].max()))
        if count and not boxes:
            raise self._without_numbers(path, shown)
        if not boxes:
            return count, None
        west, south, east, north = zip(*boxes, strict=True)
        return count, (float(min(west)), float(min(south)), float(max(east)), float(max(north)))

    def _rows(self, path: Path, layer: str) -> Iterator[Any]:
        """Yield the two columns of all features."""
        columns = [self.columns.x, self.columns.y]
        with pyogrio.open_arrow(
            path,
            layer=layer,
            columns=columns,
            read_geometry=False,
            use_pyarrow=True,
            **source_format_of(path).options(path),
        ) as (_, reader):
            yield from reader

    def _without_numbers(self, path: Path, shown: str) -> DatasetError:
        x, y = quote(self.columns.x), quote(self.columns.y)
        what = say("degrees") if self.are_degrees else say("numbers")
        return DatasetError(
            say(
                "columns '{x}' and '{y}' of {file} hold no {what} in any row: the first has "
                "{shown}",
                x=x,
                y=y,
                file=path.name,
                what=what,
                shown=quote(shown),
            ),
            field="source",
            value=self.columns.x,
            hint=say(
                "Write positions as plain numbers (24.75); where they are in no degrees, state "
                "their CRS in a .prj beside the file, such as EPSG:3035."
            ),
        )

    def _numbers(self, rows: Any) -> tuple[Array, Array]:
        return _numbers(rows.column(self.columns.x)), _numbers(rows.column(self.columns.y))

    def _are_positions(self, x: Array, y: Array) -> Array:
        if not self.are_degrees:
            return np.isfinite(x) & np.isfinite(y)
        with np.errstate(invalid="ignore"):
            near: Array = (np.abs(x) <= _MOST_LONGITUDE) & (np.abs(y) <= _MOST_LATITUDE)
        return near


def points_of(path: Path) -> Points | None:
    """Return what makes positions of the columns of a file; None where GDAL reads its geometries.

    Columns whose names say that they are degrees are so where no CRS is stated.
    """
    columns = source_format_of(path).points(path)
    if columns is None:
        return None
    return Points(columns, are_degrees=columns.are_degrees and not _states_crs(path))


def _states_crs(path: Path) -> bool:
    return any(part.suffix.lower() == ".prj" for part in source_format_of(path).parts(path))


def _first_text(rows: Any) -> str:
    return ", ".join(f"'{column[0].as_py()}'" for column in rows.columns) if len(rows) else ""


def _numbers(column: Any) -> Array:
    """Return numbers as they are written; NaN for what is none."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        plain = pc.replace_substring(pc.utf8_trim_whitespace(column), _MINUS, "-")
        plain = pc.replace_substring_regex(plain, _COMMA, r"\1.\2")
        is_number = pc.match_substring_regex(plain, _NUMBER)
        column = pc.if_else(is_number, plain, pa.scalar(None, column.type))
    numbers: Array = np.asarray(column.cast(pa.float64()).fill_null(np.nan))
    return numbers


def _as_wkb(x: Array, y: Array, there: Array) -> Any:
    points: Any = shapely.points(np.where(there, x, 0.0), np.where(there, y, 0.0))
    points[~there] = None
    return to_column(points)


def _within(x: Array, y: Array, box: Sequence[float]) -> Array:
    west, south, east, north = box
    with np.errstate(invalid="ignore"):
        within: Array = (west <= x) & (x <= east) & (south <= y) & (y <= north)
    return within
