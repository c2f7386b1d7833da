"""The bare geometries of a layer, for callers that want them in memory."""

from __future__ import annotations

from typing import Any

import pyproj
import shapely

from marinemap.errors import DatasetError, RequestError
from marinemap.extraction.area import Area
from marinemap.extraction.clip import Clipper
from marinemap.extraction.dataset import describe, unchanged
from marinemap.extraction.near import area_near
from marinemap.extraction.read import open_source
from marinemap.extraction.request import SourceLayer
from marinemap.extraction.wkb import to_geometries


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
    with unchanged(source.path):
        return _read(source, area, max_vertices)


def _read(source: SourceLayer, area: Area | None, max_vertices: int) -> list[Any]:
    dataset = describe(source.path, source.layer)
    if dataset.bounds is None:
        return []
    crs = pyproj.CRS.from_user_input(dataset.crs)
    outline = area_near(area, crs, dataset.bounds) if area else None
    clipper = (
        Clipper(outline, features=dataset.feature_count, of=dataset.title) if outline else None
    )
    boxes = clipper.grid.cover() if clipper else [dataset.bounds]
    near = clipper.grid.touches if clipper else None
    found: list[Any] = []
    vertices = 0
    for batch in open_source(dataset, boxes, (), near).batches():
        column = clipper.clip(batch.geometries).column if clipper else batch.geometries
        try:
            kept = to_geometries(column)
        except shapely.errors.ShapelyError as error:
            raise DatasetError(
                f"a geometry of {dataset.title} is broken: {error}", field="source"
            ) from error
        kept = kept[~(shapely.is_missing(kept) | shapely.is_empty(kept))]
        vertices += int(shapely.get_num_coordinates(kept).sum())
        if vertices > max_vertices:
            raise _too_large(source, max_vertices)
        found.extend(kept)
    return found


def _too_large(source: SourceLayer, max_vertices: int) -> RequestError:
    return RequestError(
        f"layer '{source.name}' has more than {max_vertices:,} vertices here, too many for a "
        "result that travels through the queue",
        field="name",
        value=source.name,
        hint="Ask for an extract of the layer instead, or pass a smaller area.",
    )
