"""Arrow's batches of features, as GDAL makes them: where the geometries are, and in what pieces."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from marinemap.errors import DatasetError, quote
from marinemap.extraction.curves import linear
from marinemap.extraction.wkb import count_nowhere
from marinemap.sentences import say

# Coordinates and texts that are worked on at once: what is made of them takes some times as much.
_BATCH_BYTES = 6 << 20
# How Arrow marks the column of geometries (GeoArrow; GDAL before 3.11 has a name of its own).
_EXTENSION = b"ARROW:extension:name"
_GEOMETRY_MARKS = (b"geoarrow.wkb", b"ogc.wkb")


@dataclass(frozen=True)
class Batch:
    """Some features: their geometries as WKB and their attributes, row for row.

    ``nowhere`` counts those without a position, ``straightened`` those whose arcs became lines.
    """

    geometries: Any
    attributes: Any
    nowhere: int = 0
    straightened: int = 0


def make_batch(batch: Any, title: str, tolerance: float, *, counts_nowhere: bool) -> Batch:
    """Part geometries from attributes, and make lines of arcs.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
    title : str
        What to call the layer in a message.
    tolerance : float
        How far a line may be from its arc, in the units of the coordinates.
    counts_nowhere : bool
        Whether to count the features without a position.

    Raises
    ------
    pyarrow.ArrowInvalid
        If what GDAL made of the geometries is broken.
    DatasetError
        If arcs cannot be made lines.
    """
    place = geometry_place(batch.schema)
    names = [name for at, name in enumerate(batch.schema.names) if at != place]
    columns = [column for at, column in enumerate(batch.columns) if at != place]
    schema = batch.schema.remove(place)
    geometries = binary(batch.column(place))
    geometries.validate(full=True)
    nowhere = count_nowhere(geometries) if counts_nowhere else 0
    geometries, straightened = linear(geometries, tolerance, title)
    # As many rows without any field, where there is none.
    attributes = pa.RecordBatch.from_arrays(columns, schema=schema) if names else batch.select([])
    return Batch(geometries, attributes, nowhere, straightened)


def check_batch(batch: Batch, title: str, *, is_indexed: bool) -> None:
    """Refuse what GDAL hands on as it is in the file.

    Raises
    ------
    DatasetError
        If a text is in another encoding, or a geometry is broken that the index knows of.
    """
    for name, values in zip(batch.attributes.schema.names, batch.attributes, strict=True):
        if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
            check_text(title, name, values)
    if is_indexed and batch.geometries.null_count:
        raise DatasetError(
            say(
                "{title} holds {count:,} geometries that are broken: its index says "
                "where they lie, but they cannot be read",
                title=title,
                count=batch.geometries.null_count,
            ),
            field="source",
        )


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
