"""The bare geometries of a layer, for callers that want them in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import shapely

from marinemap.errors import RequestError
from marinemap.extraction.areas.area import Area
from marinemap.extraction.geometry.wkb import to_geometries
from marinemap.extraction.layers.layer import prepare
from marinemap.extraction.left_out import LeftOut, check_readable_share
from marinemap.extraction.request import SourceLayer
from marinemap.extraction.sources.source_files import unchanged
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
        In the layer's own CRS, x before y; features without a geometry, or with one that cannot be
        read, are left out.

    Raises
    ------
    RequestError
        If there are more vertices; nothing is cut short in silence.
    DatasetError
        If the layer, or most of it, cannot be read, or its file changes meanwhile.
    """
    with unchanged(source.path) as place:
        return _read(replace(source, path=place), area, max_vertices)


def _read(source: SourceLayer, area: Area | None, max_vertices: int) -> list[Any]:
    layer = prepare(replace(source, fields=(), filter=None), area)
    if layer.dataset.bounds is None:
        return []
    found: list[Any] = []
    vertices, read, unreadable = 0, 0, LeftOut()
    for batch in layer.source.batches():
        clipped = layer.clip(batch.geometries)
        read += len(batch.ids)
        unreadable += LeftOut.of(batch.unreadable_with(clipped.unreadable))
        kept = to_geometries(clipped.column)
        kept = kept[~shapely.is_empty(kept)]
        vertices += int(shapely.get_num_coordinates(kept).sum())
        if vertices > max_vertices:
            raise _too_large(source, max_vertices)
        found.extend(kept)
    check_readable_share(layer.source.name, unreadable, read)
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
