"""Filters: CQL2 (OGC 21-065r2) parsed by a library, compiled here against the fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from marinemap.errors import RequestError
from marinemap.extraction.filters.compiler import GEOMETRY, Compiler, Mask
from marinemap.extraction.filters.spatial import (
    Array,
    Box,
    GeometryField,
    Placed,
    needed_boxes,
)
from marinemap.extraction.filters.text import parse
from marinemap.sentences import say


@dataclass(frozen=True)
class Filter:
    """A compiled filter: the fields that it needs, and whether each row passes.

    What passes one that ``is_spatial`` touches one of its ``boxes``, if it has any; they are in
    the CRS of its literals. ``tree`` is the filter as CQL2 JSON.
    """

    fields: tuple[str, ...]
    _mask: Mask
    geometry: GeometryField | None = None
    boxes: tuple[Box, ...] = ()
    tree: Any = None

    @property
    def is_spatial(self) -> bool:
        """Tell whether it has to see geometries."""
        return self.geometry is not None

    def passes(self, attributes: Any, geometries: Array | None = None) -> Any:
        """Return a pyarrow.BooleanArray for a pyarrow.RecordBatch; unknown counts as no.

        Parameters
        ----------
        attributes : pyarrow.RecordBatch
        geometries : array of shapely geometries, optional
            In the layer's CRS; a spatial filter needs them.
        """
        columns = {name: attributes.column(name) for name in self.fields}
        if self.geometry is not None and geometries is not None:
            corners = self.geometry.moved(geometries)
            edges = self.geometry.followed(geometries, corners)
            columns[GEOMETRY] = Placed(corners, edges)
        mask = self._mask(columns)
        if isinstance(mask, pa.Scalar):
            count = attributes.num_rows if geometries is None else len(geometries)
            mask = pa.array([mask.as_py()] * count, pa.bool_())
        return pc.fill_null(mask, False)


def compile_filter(
    text: str | Mapping[str, Any],
    schema: Any,
    *,
    field: str = "filter",
    geometry: GeometryField | None = None,
) -> Filter:
    """Compile CQL2 text or CQL2 JSON against a layer's fields.

    No part of it becomes SQL or a file's name: it is computed on the columns as they are read.

    Parameters
    ----------
    text : str or mapping
        At most 10,000 characters or 500 parts.
    schema : pyarrow.Schema
        Of the layer's attributes.
    field : str
        The name of the input, for messages.
    geometry : GeometryField, optional
        With it the filter may have spatial functions.

    Raises
    ------
    RequestError
        If it does not parse, names a field that the layer lacks, compares a field with a value
        of another type, or uses an operator that is not supported.
    """
    tree = parse(text, field)
    compiler = Compiler(schema, field, geometry)
    mask = compiler.condition(tree, 0)
    seen = geometry if compiler.is_spatial else None
    boxes = needed_boxes(tree, seen) if seen else []
    compiled = Filter(tuple(sorted(compiler.operands.used)), mask, seen, tuple(boxes), tree)
    try:
        # What Arrow cannot compare is seen on no rows as on a million.
        compiled.passes(pa.RecordBatch.from_pylist([], schema=schema), np.zeros(0, object))
    except pa.ArrowException as error:
        raise RequestError(
            say("the filter cannot be computed: {error}", error=error), field=field
        ) from error
    return compiled
