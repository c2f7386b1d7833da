"""A page of features as a file: CSV and FlatGeobuf, as extracts have them."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
import pyproj
import shapely
from pyogrio.errors import DataSourceError

from marinemap.errors import ServiceError
from marinemap.extraction.formats import get_format
from marinemap.extraction.formats.columns import NO_NUL, Columns
from marinemap.extraction.formats.plan import NO_DATE, WritePlan
from marinemap.extraction.pages.rows import Features

Array = np.ndarray[Any, Any]
# What the feature's id is called, unless the layer has a field of that name.
_ID_NAMES = ("id", "fid", "feature_id")
# FlatGeobuf's index wants a place of each feature, and another order than the page has.
_OPTIONS = {"SPATIAL_INDEX": "NO"}


def write_features_as(
    form: str, parts: Sequence[Features], schema: Any, geometries: Sequence[Array], crs: pyproj.CRS
) -> bytes:
    """Return features as the content of a file, with their ids in the first column.

    Parameters
    ----------
    form : str
        ``csv`` or ``flatgeobuf``.
    parts : sequence of Features
    schema : pyarrow.Schema
        Of their attributes.
    geometries : sequence of array
        Those of the parts, in the CRS of the file; None where there is none.
    crs : pyproj.CRS
    """
    wkb = [shapely.to_wkb(each) for each in geometries]
    places = pa.array(np.concatenate([np.zeros(0, object), *wkb]), pa.binary())
    ids = pa.array(np.concatenate([np.zeros(0, np.int64), *(part.ids for part in parts)]))
    rows = pa.concat_tables([schema.empty_table(), *(part.attributes for part in parts)])
    taken = {name.lower() for name in schema.names}
    name = next((each for each in _ID_NAMES if each not in taken), "marinemap_id")
    table = pa.table([ids, *rows.columns], [name, *schema.names]).combine_chunks()
    batches = table.to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]
    return _WRITERS[form](batches[0], places, crs)


def _as_csv(rows: Any, places: Any, crs: pyproj.CRS) -> bytes:
    with tempfile.TemporaryDirectory(prefix="page-") as folder:
        plan = WritePlan(Path(folder), "page", rows.schema, crs, "Unknown", True, NO_DATE)
        writer = get_format("csv").writer(plan)
        try:
            writer.write(places, rows)
        finally:
            written = writer.close()
        return written[0].path.read_bytes()


def _as_flatgeobuf(rows: Any, places: Any, crs: pyproj.CRS) -> bytes:
    columns = Columns(rows.schema, reserved=["ogc_fid"], rules=[NO_NUL])
    table = pa.table(
        [*columns.written(rows), places], schema=columns.schema.append(pa.field("wkb", pa.binary()))
    )
    file = io.BytesIO()
    try:
        pyogrio.write_arrow(
            table,
            file,
            layer="features",
            driver="FlatGeobuf",
            geometry_name="wkb",
            geometry_type="Unknown",
            crs=crs.to_wkt(),
            layer_options=_OPTIONS,
        )
    except (DataSourceError, RuntimeError, ValueError) as error:
        raise ServiceError(f"the page cannot be written as FlatGeobuf: {error}") from error
    return file.getvalue()


_WRITERS: dict[str, Callable[[Any, Any, pyproj.CRS], bytes]] = {
    "csv": _as_csv,
    "flatgeobuf": _as_flatgeobuf,
}
