"""The bare geometries of a layer, for callers that want them in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import shapely

from marinemap.errors import DatasetError, RequestError
from marinemap.extraction.area import Area
from marinemap.extraction.layer import prepare
from marinemap.extraction.request import SourceLayer
from marinemap.extraction.source_files import unchanged
from marinemap.extraction.wkb import to_geometries
from marinemap.sentences import say


def read_geometries(
    source: SourceLayer, area: Area | None = None, *, max_vertices: int
) -> list[Any]:
    """Return a layer's geometries, whole or clipped to an area.

    Parameters
    ----------
    source : SourceLayer
    area : Area, optional
        Without it every feature comes whole.
    max_vertices : int
        The most vertices in all.

    Returns
    -------
    list of shapely geometries
        In the layer's own CRS, x before y; features without geometry are left out.

    Raises
    ------
    RequestError
        If there are more vertices; nothing is cut short in silence.
    DatasetError
        If the layer cannot be read, or its file changes meanwhile.
    """
    with unchanged(source.path) as place:
        return _read(replace(source, path=place), area, max_vertices)


def _read(source: SourceLayer, area: Area | None, max_vertices: int) -> list[Any]:
    layer = prepare(replace(source, fields=(), filter=None), area)
    if layer.dataset.bounds is None:
        return []
    found: list[Any] = []
    vertices = 0
    for batch in layer.source.batches():
        try:
            kept = to_geometries(layer.clip(batch.geometries).column)
        except shapely.errors.ShapelyError as error:
            raise DatasetError(
                say(
                    "a geometry of {title} is broken: {error}",
                    title=layer.dataset.title,
                    error=error,
                ),
                field="source",
            ) from error
        kept = kept[~(shapely.is_missing(kept) | shapely.is_empty(kept))]
        vertices += int(shapely.get_num_coordinates(kept).sum())
        if vertices > max_vertices:
            raise _too_large(source, max_vertices)
        found.extend(kept)
    return found


def _too_large(source: SourceLayer, max_vertices: int) -> RequestError:
    return RequestError(
        say(
            "layer '{name}' has more than {most:,} vertices here, too many "
            "for a result that travels through the queue",
            name=source.name,
            most=max_vertices,
        ),
        field="name",
        value=source.name,
        hint=say("Ask for an extract of the layer instead, or pass a smaller area."),
    )
