"""One layer of a request, found, checked and ready to be read around an area."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyproj
import shapely

from marinemap.extraction.areas.area import Area
from marinemap.extraction.areas.clip import Clipped, Clipper
from marinemap.extraction.areas.near import AREA_TOLERANCE_METRES, area_near, route_to
from marinemap.extraction.dataset import Dataset
from marinemap.extraction.geometry.raster import INSIDE
from marinemap.extraction.geometry.readable import read_column
from marinemap.extraction.projection.route import Route
from marinemap.extraction.reading.described_source import describe_source
from marinemap.extraction.reading.heights import check_heights, has_heights, height_notes
from marinemap.extraction.reading.read import Source, open_source
from marinemap.extraction.reading.selection import Selection
from marinemap.extraction.request import SourceLayer

Box = tuple[float, float, float, float]
_NOWHERE: Box = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class PreparedLayer:
    """A layer with all that its reading needs; opening it costs a look at the file's header.

    ``route`` leads from the area to the layer and on to the output. ``clipper`` is None where no
    area was given: every feature is wanted whole. ``source`` reads the fields of ``selection``
    around the area.
    """

    dataset: Dataset
    route: Route
    clipper: Clipper | None
    selection: Selection
    source: Source

    @property
    def area_tolerance_m(self) -> float | None:
        """How closely the area's edges are followed into the layer's CRS; None where they need not.

        In metres.
        """
        is_same = self.route.data.is_geographic and self.route.is_direct
        return None if self.clipper is None or is_same else AREA_TOLERANCE_METRES

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know of positions and heights, in sentences."""
        assumed = self.dataset.assumed
        told = (*([assumed] if assumed else []), *self.route.warnings)
        if not has_heights(self.dataset):
            return told
        return (*told, *height_notes(self.route.data, self.route.output))

    def clip(self, column: Any) -> Clipped:
        """Return what the area holds of a column of WKB; all there is where there is no area."""
        if self.clipper is not None:
            return self.clipper.clip(column)
        read = read_column(column)
        there = np.flatnonzero(~shapely.is_missing(read.geometries))
        column = read.column.take(pa.array(there))
        return Clipped(there, column, len(read.mended), unreadable=read.unreadable)

    def classify(self, boxes: Any) -> Any:
        """Tell of boxes (minx, miny, maxx, maxy) how they lie to the area; see ``AreaGrid``."""
        if self.clipper is None or len(boxes) == 0:
            return np.full(len(boxes), INSIDE)
        return self.clipper.grid.classify(boxes)


def prepare(
    layer: SourceLayer,
    area: Area | None,
    mode: str = "clip",
    *,
    output: pyproj.CRS | None = None,
    features: int | None = None,
    is_hurried: bool = False,
) -> PreparedLayer:
    """Look at a layer's source and choose what to read.

    Parameters
    ----------
    layer : SourceLayer
    area : Area, optional
        Without it the whole layer is wanted.
    mode : str
        As of a request.
    output : pyproj.CRS, optional
        The CRS of the result; the layer's own by default.
    features : int, optional
        How many are to be expected, which settles how finely the area is indexed; by default as
        many as the layer has.
    is_hurried : bool
        Whether somebody waits for the answer; see :func:`describe_source`.

    Raises
    ------
    RequestError
        If a field is unknown, the filter is not sound, the area has no place in the layer's
        CRS, or the output's would say of its heights what is not so.
    DatasetError
        If the source is missing, broken or unreadable.
    UnavailableError
        If it is hurried, and the source changed in a way that takes long to see.
    """
    dataset = describe_source(layer, is_hurried)
    crs = pyproj.CRS.from_user_input(dataset.crs)
    if has_heights(dataset):
        check_heights(crs, output)
    route = route_to(area, crs, output, dataset.bounds)
    clipper = None
    boxes: Sequence[Box] = [dataset.bounds or _NOWHERE]
    if area is not None:
        expected = dataset.feature_count if features is None else features
        clipper = Clipper(area_near(area, route, dataset.bounds), mode, expected)
        boxes = clipper.grid.cover()
    selection = Selection.of(layer, open_source(dataset, boxes).schema())
    near = clipper.grid.touches if clipper else None
    source = open_source(dataset, boxes, selection.columns, near, selection.filter)
    source = source if area else source.whole()
    return PreparedLayer(dataset, route, clipper, selection, source)
