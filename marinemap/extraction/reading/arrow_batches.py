"""Arrow's batches of features, as GDAL makes them: where the geometries are, and in what pieces."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from marinemap.errors import DatasetError, quote
from marinemap.extraction.geometry.curves import linear
from marinemap.extraction.geometry.wkb import Array, count_nowhere, replaced
from marinemap.sentences import say

# Coordinates and texts that are worked on at once: what is made of them takes some times as much.
_BATCH_BYTES = 6 << 20
# How Arrow marks the column of geometries (GeoArrow; GDAL before 3.11 has a name of its own).
_EXTENSION = b"ARROW:extension:name"
_GEOMETRY_MARKS = (b"geoarrow.wkb", b"ogc.wkb")
_LOST = "the spatial index names it, but it has no geometry that can be read"


@dataclass(frozen=True)
class Batch:
    """Some features: their geometries as WKB, their attributes and their ids, row for row.

    ``nowhere`` counts those without a position, ``straightened`` those whose arcs became lines.
    ``unreadable`` tells by its id why a feature has no geometry here.
    """

    geometries: Any
    attributes: Any
    ids: Array
    nowhere: int = 0
    straightened: int = 0
    unreadable: Mapping[int, str] = field(default_factory=dict)

    def unreadable_with(self, rows: Mapping[int, str]) -> dict[int, str]:
        """Return why features cannot be read, by their ids: those known, and those of some rows."""
        ids = set(self.ids.tolist()) if self.unreadable else ()
        known = {id_: why for id_, why in self.unreadable.items() if id_ in ids}
        found = {int(self.ids[row]): why for row, why in rows.items()}
        return dict(sorted({**known, **found}.items()))


def make_batch(batch: Any, tolerance: float, *, is_indexed: bool, counts_nowhere: bool) -> Batch:
    """Part geometries from attributes and ids, and make lines of arcs.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
        The ids are in its last column.
    tolerance : float
        How far a line may be from its arc, in the units of the coordinates.
    is_indexed : bool
        Whether an index says of each of these features that it lies somewhere.
    counts_nowhere : bool
        Whether to count the features without a position.

    Raises
    ------
    pyarrow.ArrowInvalid
        If what GDAL made of the geometries is broken.
    """
    ids = np.asarray(batch.column(batch.num_columns - 1).fill_null(-1)).astype(np.int64)
    place = geometry_place(batch.schema)
    fields = [at for at in range(batch.num_columns - 1) if at != place]
    geometries = binary(batch.column(place))
    geometries.validate(full=True)
    nowhere = count_nowhere(geometries) if counts_nowhere else 0
    lost = np.flatnonzero(np.asarray(geometries.is_null())) if is_indexed else ids[:0]
    straight = linear(geometries, tolerance)
    whys = {**dict.fromkeys(lost.tolist(), _LOST), **straight.unreadable}
    return Batch(
        straight.column,
        # As many rows without any field, where there is none.
        batch.select(fields),
        ids,
        nowhere,
        straight.count,
        {int(ids[row]): why for row, why in whys.items()},
    )


def without(batch: Batch, ids: Collection[int]) -> Batch:
    """Return a batch in which features of some ids have no geometry."""
    rows = np.flatnonzero(np.isin(batch.ids, list(ids)))
    nothing = pa.nulls(len(rows), pa.binary())
    return replace(batch, geometries=replaced(batch.geometries, rows, nothing))


def without_geometries(unreadable: Mapping[int, str], schema: Any) -> Batch:
    """Return features of which nothing is known but why their geometries cannot be read.

    ``schema`` (pyarrow) is that of the attributes.
    """
    ids = np.array(list(unreadable), np.int64)
    # With their ids, for without any field there would be no rows.
    columns = [*(pa.nulls(len(ids), field.type) for field in schema), pa.array(ids)]
    rows = pa.RecordBatch.from_arrays(columns, schema=schema.append(pa.field("ids", pa.int64())))
    attributes = rows.select(range(len(schema)))
    return Batch(pa.nulls(len(ids), pa.binary()), attributes, ids, unreadable=unreadable)


def check_texts(batch: Batch, title: str) -> None:
    """Refuse texts that GDAL hands on as they are in the file, in another encoding.

    Raises
    ------
    DatasetError
        With the field.
    """
    for name, values in zip(batch.attributes.schema.names, batch.attributes, strict=True):
        if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
            check_text(title, name, values)


def geometry_place(schema: Any) -> int:
    """Return the place of the geometries: a field may have the name of their column."""
    marks = ((at, (field.metadata or {}).get(_EXTENSION)) for at, field in enumerate(schema))
    return next(at for at, mark in marks if mark in _GEOMETRY_MARKS)


def pieces_of(batch: Any) -> Iterator[Any]:
    """Yield a batch in pieces of some megabytes each."""
    if batch.nbytes <= _BATCH_BYTES or batch.num_rows < 2:
        yield batch
        return
    column = binary(batch.column(geometry_place(batch.schema)))
    lengths = np.asarray(pc.fill_null(pc.binary_length(column), 0), np.int64)
    others = (batch.nbytes - int(lengths.sum())) // batch.num_rows
    numbers = (lengths + others).cumsum() // _BATCH_BYTES
    edges = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), batch.num_rows]
    for first, last in itertools.pairwise(edges):
        yield batch.slice(first, last - first)


def binary(column: Any) -> Any:
    """Return a column of WKB with offsets of 32 bits."""
    return column if column.type == pa.binary() else column.cast(pa.binary())


def check_text(title: str, name: str, values: Any) -> None:
    """Refuse texts that are no UTF-8, of which Python would make none.

    Raises
    ------
    DatasetError
        With the field.
    """
    try:
        values.validate(full=True)
    except pa.ArrowInvalid as error:
        raise DatasetError(
            say(
                "{title}: a text of field '{name}' is not in the encoding that the file "
                "states, or is damaged: {error}",
                title=title,
                name=quote(name),
                error=quote(error),
            ),
            field="source",
            value=name,
            hint=say("Ask for a whole copy; for a shapefile, look at its .cpg."),
        ) from error
