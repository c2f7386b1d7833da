"""The features of a page, read: by SQLite where they are plain, else by GDAL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from marinemap.errors import DatasetError
from marinemap.extraction.dataset import Dataset
from marinemap.extraction.geometry.curves import linear
from marinemap.extraction.geometry.readable import read_column
from marinemap.extraction.geopackage.rows import Rows
from marinemap.extraction.pages.keys import Candidates
from marinemap.extraction.pages.source import PageSource, attributes_of
from marinemap.extraction.reading.arrow_batches import binary, check_text, geometry_place
from marinemap.sentences import say

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Features:
    """Features row by row: their ids, geometries and attributes.

    Geometries are shapely's; None for none, and for one that cannot be read.
    """

    ids: Array
    geometries: Array
    attributes: Any
    cursors: Array

    def __len__(self) -> int:
        return len(self.ids)

    def pick(self, rows: Any) -> Features:
        """Return some of the rows, by a mask or a slice without steps."""
        ids = self.ids[rows]
        if len(ids) == len(self):
            return self
        return Features(ids, self.geometries[rows], self._fields_of(rows), self.cursors[rows])

    def _fields_of(self, rows: Any) -> Any:
        if isinstance(rows, slice):
            # Copies nothing.
            first, end, _ = rows.indices(len(self))
            return self.attributes.slice(first, max(0, end - first))
        return self.attributes.take(pa.array(np.flatnonzero(rows)))


def read_features(source: PageSource, candidates: Candidates) -> tuple[Features, int]:
    """Return features, and how many bytes their geometries have.

    Raises
    ------
    DatasetError
        If the layer cannot be read.
    """
    table = source.plain_table if "fids" in candidates.wanted else None
    if table is not None and source.database is not None:
        rows = table.read(source.database, candidates.cursors)
        if rows is not None:
            return _features(source, rows, rows.keys)
    rows = rows_by_gdal(source, candidates)
    if "fids" in candidates.wanted:
        return _features(source, rows, rows.keys)
    return _features(source, rows, candidates.cursors[: len(rows.keys)])


def _features(source: PageSource, rows: Rows, cursors: Array) -> tuple[Features, int]:
    straight = linear(rows.geometries, source.tolerance).column
    found = Features(rows.keys, read_column(straight).geometries, rows.attributes, cursors)
    return found, rows.geometries.nbytes


def rows_by_gdal(source: PageSource, candidates: Candidates) -> Rows:
    dataset = source.dataset
    id_name, table = source.read_by_gdal(candidates.wanted)
    _check_ids(dataset, candidates, table)
    for name in (
        each.name for each in table.schema if each.type in (pa.string(), pa.large_string())
    ):
        check_text(dataset.title, name, table.column(name))
    # They come in an order of the driver's own; cursors rise with ids.
    ids = np.asarray(table.column(id_name)).astype(np.int64)
    order = np.argsort(ids, kind="stable")
    table = table.take(pa.array(order))
    column = table.column(geometry_place(table.schema)).combine_chunks()
    wkb = binary(column)
    wkb = wkb.combine_chunks() if isinstance(wkb, pa.ChunkedArray) else wkb
    return Rows(ids[order], wkb, attributes_of(table, id_name, source.own_key))


def _check_ids(dataset: Dataset, candidates: Candidates, table: Any) -> None:
    """Refuse to look up features by ids that several have, against what its driver promises."""
    if "fids" in candidates.wanted and table.num_rows > len(candidates.cursors):
        raise DatasetError(
            say(
                "several features of {title} have the same id, so that they cannot be "
                "found by place, filter or id",
                title=dataset.title,
            ),
            field="source",
            hint=say("Ask for all features in pages, or for an extract of the area."),
        )
