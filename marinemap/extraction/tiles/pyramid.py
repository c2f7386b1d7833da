"""Draw a layer: every zoom's tiles, in one archive that a map reads by ranges (PMTiles 3)."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from isal import igzip
from pmtiles.tile import Compression, TileType, zxy_to_tileid
from pmtiles.writer import Writer

from marinemap.extraction.pipeline import Progress
from marinemap.extraction.request import SourceLayer
from marinemap.extraction.source_files import unchanged
from marinemap.extraction.tiles.cut import Pieces, cut
from marinemap.extraction.tiles.encode import NO_ID, encode_features, encode_layer
from marinemap.extraction.tiles.generalise import on_grid, thinned
from marinemap.extraction.tiles.merge import merged
from marinemap.extraction.tiles.select import PIXEL_BITS, Choice, choose, top_zoom
from marinemap.extraction.tiles.shapes import POINT, POLYGON, Shapes, from_geometries
from marinemap.extraction.tiles.store import WORLD_BITS, Store, read

MEDIA_TYPE = "application/vnd.pmtiles"
# The picture of the whole, shown while the rest is drawn.
_FIRST_ZOOMS = 5
_MOST_TILE_BYTES = 250_000
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
        with unchanged(layer.path):
            stores = read(layer, folder, lambda part, words: tell(part * _READING_SHARE, words))
        if not stores:
            return Drawing(0, 0, 0)
        with (folder / "tiles").open("w+b") as spool:
            archive = _Archive(spool)
            top = top_zoom(stores)
            for zoom in range(top + 1):
                done = _READING_SHARE + (1 - _READING_SHARE) * _done(zoom, top)
                tell(done, f"Drawing zoom {zoom}")
                for column, row, tile in _zoom(stores, zoom, top, folder):
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


class _Archive:
    """Tiles in the order of their numbers, which are put in place as one file."""

    def __init__(self, spool: BinaryIO) -> None:
        self._spool = spool
        self._index: list[tuple[int, int]] = []

    @property
    def tiles(self) -> int:
        """How many there are."""
        return len(self._index)

    def add(self, zoom: int, column: int, row: int, tile: bytes) -> None:
        """Add the next tile."""
        self._index.append((zxy_to_tileid(zoom, column, row), len(tile)))
        self._spool.write(tile)

    def publish(self, destination: Path) -> Path:
        """Put in place what there is."""
        destination.parent.mkdir(parents=True, exist_ok=True)
        fresh = destination.with_suffix(f".{os.getpid()}.partial")
        with fresh.open("wb") as file:
            writer = Writer(file)
            self._spool.seek(0)
            for number, length in self._index:
                writer.write_tile(number, self._spool.read(length))
            self._spool.seek(0, os.SEEK_END)
            writer.finalize(_header(), {"vector_layers": [{"id": "layer", "fields": {}}]})
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(destination)
        return destination


def _header() -> dict[str, Any]:
    world = {"min_lon_e7": -1800000000, "max_lon_e7": 1800000000}
    world |= {"min_lat_e7": -850000000, "max_lat_e7": 850000000}
    middle = {"center_zoom": 0, "center_lon_e7": 0, "center_lat_e7": 0}
    return {"tile_type": TileType.MVT, "tile_compression": Compression.GZIP} | world | middle


def _zoom(
    stores: list[Store], zoom: int, top: int, folder: Path
) -> Iterator[tuple[int, int, bytes]]:
    """Yield the tiles of a zoom in the order of their numbers."""
    parts: dict[tuple[int, int], list[tuple[int, int]]] = {}
    choices = [choose(store, zoom, top) for store in stores]
    # One grid for all, the finest that any asks for.
    bits = max(choice.bits for choice in choices)
    with (folder / "features").open("w+b") as spool:
        for store, choice in zip(stores, choices, strict=True):
            for shapes in _shown(store, choice, zoom, top, bits):
                for pieces in cut(shapes, zoom, bits):
                    _spool(pieces, bits, spool, parts)
        for tile in sorted(parts, key=lambda tile: zxy_to_tileid(zoom, *tile)):
            yield *tile, _packed(b"".join(_fetch(spool, parts[tile])), 1 << bits)


def _shown(store: Store, choice: Choice, zoom: int, top: int, bits: int) -> Iterator[Shapes]:
    """Yield what a zoom shows of a store, on the zoom's grid."""
    shift = WORLD_BITS - zoom - bits
    if choice.merged.any():
        yield from _outline(store, choice, shift, bits)
    for shapes in store.chunks(choice.alone):
        coarse = on_grid(shapes, WORLD_BITS - zoom - choice.bits)
        if store.kind == POINT and (zoom < top or len(store.sizes) > _MOST_POINTS):
            pixels = _POINT_PIXELS if zoom < top else 1
            coarse = thinned(coarse, max(1, pixels << choice.bits >> PIXEL_BITS))
        yield _finer(coarse, bits - choice.bits)


def _finer(shapes: Shapes, bits: int) -> Shapes:
    return Shapes(
        shapes.kind,
        shapes.xy << bits,
        shapes.offsets,
        shapes.holes,
        shapes.starts,
        shapes.ids,
    )


def _outline(store: Store, choice: Choice, shift: int, bits: int) -> Iterator[Shapes]:
    """Yield the outline of features that are too many to be drawn by themselves."""
    unit = float(1 << shift)
    boxes = store.boxes[choice.merged] / unit
    found = merged(boxes, store.areas[choice.merged] / unit**2, 1 << bits >> PIXEL_BITS)
    for shapes in from_geometries(found, np.full(len(found), NO_ID)):
        if shapes.kind == POLYGON:
            yield on_grid(_as_integers(shapes), 0)


def _as_integers(shapes: Shapes) -> Shapes:
    xy = np.rint(shapes.xy).astype(np.int64)
    return Shapes(shapes.kind, xy, shapes.offsets, shapes.holes, shapes.starts, shapes.ids)


def _spool(
    pieces: Pieces, bits: int, spool: BinaryIO, parts: dict[tuple[int, int], list[tuple[int, int]]]
) -> None:
    """Write features as bytes, and note which run of them belongs to which tile."""
    ordered = pieces.sorted()
    content, ends = encode_features(ordered.shapes, ordered.tiles << bits)
    begin = spool.seek(0, os.SEEK_END)
    spool.write(content)
    changes = np.flatnonzero((np.diff(ordered.tiles, axis=0) != 0).any(axis=1)) + 1
    edges = [0, *changes.tolist(), len(ordered.tiles)]
    for first, last in zip(edges[:-1], edges[1:], strict=True):
        column, row = ordered.tiles[first].tolist()
        run = (begin + int(ends[first]), int(ends[last] - ends[first]))
        parts.setdefault((column, row), []).append(run)


def _fetch(spool: BinaryIO, runs: list[tuple[int, int]]) -> Iterator[bytes]:
    for begin, length in runs:
        spool.seek(begin)
        yield spool.read(length)


def _packed(features: bytes, extent: int) -> bytes:
    """Return a tile, compressed; of one that is too large the largest features."""
    tile: bytes = igzip.compress(encode_layer(features, extent), 3)
    while len(tile) > _MOST_TILE_BYTES:
        features = _largest(features, 0.9 * _MOST_TILE_BYTES / len(tile))
        tile = igzip.compress(encode_layer(features, extent), 3)
    return tile


def _largest(features: bytes, share: float) -> bytes:
    """Return the features that take most room, a share of all the bytes."""
    every = sorted(_split(features), key=len, reverse=True)
    kept, room = [], int(len(features) * share)
    for feature in every:
        if len(feature) <= room:
            kept.append(feature)
            room -= len(feature)
    return b"".join(kept)


def _split(features: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(features):
        length, shift, place = 0, 0, at + 1
        while True:
            length |= (features[place] & 127) << shift
            shift, place = shift + 7, place + 1
            if features[place - 1] < 128:
                break
        yield features[at : place + length]
        at = place + length
