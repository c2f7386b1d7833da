"""The bare geometries of a layer, for callers that want them in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyproj
import shapely

from marinemap.errors import RequestError
from marinemap.extraction.area import Area
from marinemap.extraction.clip import clip
from marinemap.extraction.dataset import describe
from marinemap.extraction.read import open_batches
from marinemap.extraction.request import SourceLayer


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
        If the layer cannot be read.
    """
    dataset = describe(source.path, source.layer)
    if dataset.bounds is None:
        return []
    outline = area.in_crs(pyproj.CRS.from_user_input(dataset.crs)) if area else None
    found: list[Any] = []
    vertices = 0
    with open_batches(dataset, outline.bounds if outline else dataset.bounds) as batches:
        for geometries, _ in batches:
            kept = _clip_each_kind(geometries, outline) if outline else geometries
            kept = kept[~(shapely.is_missing(kept) | shapely.is_empty(kept))]
            vertices += int(shapely.get_num_coordinates(kept).sum())
            if vertices > max_vertices:
                raise _too_large(source, max_vertices)
            found.extend(kept)
    return found


def _clip_each_kind(geometries: Any, outline: Any) -> Any:
    kept = np.full(len(geometries), None, dtype=object)
    for dimension in np.unique(shapely.get_dimensions(geometries)):
        if dimension >= 0:
            cut = clip(geometries, outline, int(dimension)).geometries
            kept = np.where(shapely.is_missing(cut), kept, cut)
    return kept


def _too_large(source: SourceLayer, max_vertices: int) -> RequestError:
    return RequestError(
        f"layer '{source.name}' has more than {max_vertices:,} vertices here, too many for a "
        "result that travels through the queue",
        field="name",
        value=source.name,
        hint="Ask for an extract of the layer instead, or pass a smaller area.",
    )
