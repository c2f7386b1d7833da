"""Draw a layer: every zoom's tiles, in one archive that a map reads by ranges (PMTiles 3)."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from marinemap.extraction.extracts.pipeline import Progress
from marinemap.extraction.request import SourceLayer
from marinemap.extraction.sources.source_files import unchanged
from marinemap.extraction.tiles.archive import Archive
from marinemap.extraction.tiles.bundle import Bundle
from marinemap.extraction.tiles.coverage import Coverage
from marinemap.extraction.tiles.cut import Pieces, cut
from marinemap.extraction.tiles.generalise import on_grid, thinned
from marinemap.extraction.tiles.merge import merged
from marinemap.extraction.tiles.select import PIXEL_BITS, Plan, alone, overcrowded, plan, top_zoom
from marinemap.extraction.tiles.shapes import POINT, POLYGON, Shapes
from marinemap.extraction.tiles.store import Store, read
from marinemap.extraction.tiles.world import WORLD_BITS

MEDIA_TYPE = "application/vnd.pmtiles"
# The picture of the whole, shown while the rest is drawn.
_FIRST_ZOOMS = 5
_READING_SHARE = 0.4
# Points closer than this many pixels are drawn as one.
_POINT_PIXELS = 3
# Features beyond this overlap on a screen.
_MOST_POINTS = 50_000

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Drawing:
    """What was drawn: the deepest zoom, how many tiles, how many bytes. Without tiles no file."""

    top_zoom: int
    tiles: int
    size_bytes: int


@dataclass(frozen=True)
class _Sheet:
    """Features of one kind, how they are drawn, and where those that are merged cover what."""

    store: Store
    plan: Plan
    coverage: Coverage


def draw(
    layer: SourceLayer,
    destination: Path,
    *,
    work_folder: Path | None = None,
    progress: Progress | None = None,
    on_first_picture: Callable[[Path], None] | None = None,
) -> Drawing:
    """Draw a layer into an archive of vector tiles, which appears whole or not at all.

    Of a large layer the low zooms appear first, in an archive of their own beside it, whose name
    ends with ``-low``; it is the caller's to remove.

    Parameters
    ----------
    layer : SourceLayer
        Its fields and filter do not count: a tile holds geometries and the features' numbers.
    destination : Path
    work_folder : Path, optional
        Where temporary files go; about twice the size of the positions.
    progress : callable, optional
        Called with the fraction done (0 to 1) and a few words; what it raises stops the drawing.
    on_first_picture : callable, optional
        Called with the archive of the low zooms when it is in place.

    Raises
    ------
    DatasetError
        If the source is missing, broken or unreadable, or changes while it is read.
    """
    tell = progress or (lambda fraction, message: None)
    with tempfile.TemporaryDirectory(prefix="draw-", dir=work_folder) as name:
        folder = Path(name)
        with unchanged(layer.path) as place:
            source = dataclasses.replace(layer, path=place)
            stores = read(source, folder, lambda part, words: tell(part * _READING_SHARE, words))
        if not stores:
            return Drawing(0, 0, 0)
        with (folder / "tiles").open("w+b") as spool:
            archive = Archive(spool)
            top = top_zoom(stores)
            tell(_READING_SHARE, "Looking where features are crowded")
            sheets = list(_sheets(stores, top, folder))
            for zoom in range(top + 1):
                done = _READING_SHARE + (1 - _READING_SHARE) * _done(zoom, top)
                tell(done, f"Drawing zoom {zoom}")
                for column, row, tile in _zoom(sheets, zoom, folder):
                    archive.add(zoom, column, row, tile)
                if zoom == _FIRST_ZOOMS < top and on_first_picture and archive.tiles:
                    on_first_picture(archive.publish(_low(destination)))
            if archive.tiles:
                archive.publish(destination)
        return Drawing(top, archive.tiles, destination.stat().st_size if archive.tiles else 0)


def _low(destination: Path) -> Path:
    return destination.with_stem(f"{destination.stem}-low")


def _done(zoom: int, top: int) -> float:
    """Return the share of the work before a zoom; the deep ones take longest."""
    return float((1.5**zoom - 1) / (1.5 ** (top + 1) - 1))


def _sheets(stores: list[Store], top: int, folder: Path) -> Iterator[_Sheet]:
    for store in stores:
        drawn = plan(store, top)
        shares = folder / f"{store.kind}.shares"
        shares.mkdir()
        merged_to = drawn.merged_to if store.kind == POLYGON else drawn.merged_to[:0]
        yield _Sheet(store, drawn, Coverage(store, merged_to, shares))


def _zoom(sheets: list[_Sheet], zoom: int, folder: Path) -> Iterator[tuple[int, int, bytes]]:
    """Yield the tiles of a zoom in the order of their numbers."""
    # One grid for all, the finest that any asks for.
    bits = max(sheet.plan.bits[zoom] for sheet in sheets)
    with (folder / "features").open("w+b") as spool:
        bundle = Bundle(spool, zoom, bits)
        for sheet in sheets:
            for pieces in _merged(sheet, zoom, bits):
                bundle.add(pieces)
            for shapes in _alone(sheet, zoom, bits):
                for pieces in cut(shapes, zoom, bits):
                    bundle.add(pieces)
        yield from bundle.tiles()


def _merged(sheet: _Sheet, zoom: int, bits: int) -> Iterator[Pieces]:
    """Yield the outlines of features that are too many to be drawn by themselves."""
    for column, row in sheet.coverage.tiles(zoom) if zoom in sheet.plan.merging else ():
        outlines = merged(sheet.coverage, zoom, column, row, bits)
        if len(outlines):
            yield Pieces(outlines, np.array([[column, row]]))


def _alone(sheet: _Sheet, zoom: int, bits: int) -> Iterator[Shapes]:
    """Yield the features that are drawn by themselves, on the zoom's grid."""
    own_bits = sheet.plan.bits[zoom]
    shown = alone(sheet.store, sheet.plan, zoom)
    thin, pixels = _thinned(sheet, zoom)
    for which, is_thinned in ((shown & ~thin, False), (shown & thin, True)):
        for shapes in sheet.store.chunks(which):
            coarse = on_grid(shapes, WORLD_BITS - zoom - own_bits)
            if is_thinned:
                coarse = thinned(coarse, max(1, pixels << own_bits >> PIXEL_BITS))
            yield dataclasses.replace(coarse, xy=coarse.xy << (bits - own_bits))


def _thinned(sheet: _Sheet, zoom: int) -> tuple[Array, int]:
    """Tell of which features some stand for others, and how many pixels apart.

    From the deepest zoom all nearer ones are drawn: what is left out there is never seen.
    """
    store = sheet.store
    if store.kind != POINT:
        return np.zeros(len(store.sizes), bool), 0
    if zoom < len(sheet.plan.bits) - 1:
        return np.ones(len(store.sizes), bool), _POINT_PIXELS
    if len(store.sizes) <= _MOST_POINTS:
        return np.zeros(len(store.sizes), bool), 0
    return overcrowded(store, zoom), 1
