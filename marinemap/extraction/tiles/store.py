"""A layer's features between reading and drawing: on disk, in the order of the map."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import shapely

from marinemap.extraction.extracts.pipeline import Progress
from marinemap.extraction.geometry.readable import read_column
from marinemap.extraction.layers.layer import prepare
from marinemap.extraction.left_out import LeftOut, check_readable_share
from marinemap.extraction.request import SourceLayer
from marinemap.extraction.tiles.generalise import polygon_areas
from marinemap.extraction.tiles.shapes import POLYGON, Shapes, ends, from_geometries
from marinemap.extraction.tiles.world import WORLD_BITS, ToWorld

# As many as fit into memory easily.
_CHUNK_POSITIONS = 2_000_000

Array = np.ndarray[Any, Any]


class Store:
    """Features of one kind, whose positions are kept in a file."""

    def __init__(self, kind: int, path: Path) -> None:
        self.kind = kind
        self._path = path
        self._lengths: list[Array] = []
        self._holes: list[Array] = []
        self._counts: list[Array] = []
        self._ids: list[Array] = []
        self._boxes: list[Array] = []
        self._areas: list[Array] = []

    def add(self, shapes: Shapes) -> None:
        """Append some features."""
        with self._path.open("ab") as file:
            file.write(shapes.xy.astype(np.int32).tobytes())
        self._lengths.append(shapes.lengths.astype(np.int32))
        self._holes.append(shapes.holes)
        self._counts.append(np.diff(shapes.starts).astype(np.int32))
        self._ids.append(shapes.ids)
        self._boxes.append(shapes.boxes().astype(np.int32))
        areas = polygon_areas(shapes) if self.kind == POLYGON else np.zeros(len(shapes))
        self._areas.append(areas)

    def finish(self) -> None:
        """Put the features in the order of the map; after that they can be read."""
        self.boxes = np.concatenate(self._boxes)
        self.areas = np.concatenate(self._areas)
        shapes = Shapes(
            self.kind,
            self._map(),
            ends(np.concatenate(self._lengths)),
            np.concatenate(self._holes),
            ends(np.concatenate(self._counts)),
            np.concatenate(self._ids),
        )
        order = np.argsort(_morton(self.boxes), kind="stable")
        ordered = self._path.with_suffix(".ordered")
        with ordered.open("wb") as file:
            for some in _chunks(shapes.sizes[order]):
                file.write(shapes.take(order[some]).xy.tobytes())
        self._path.unlink()
        self._path = ordered
        parts = shapes.take_parts(order)
        self._shapes = dataclasses.replace(parts, xy=self._map())
        self.boxes, self.areas = self.boxes[order], self.areas[order]

    @property
    def positions(self) -> int:
        """How many positions there are."""
        return len(self._shapes.xy)

    @property
    def sizes(self) -> Array:
        """How many positions each feature has."""
        return self._shapes.sizes

    def chunks(self, wanted: Array) -> Iterator[Shapes]:
        """Yield the features that are wanted, some at a time."""
        yield from self.some(np.flatnonzero(wanted))

    def some(self, which: Array, positions: int = _CHUNK_POSITIONS) -> Iterator[Shapes]:
        """Yield the features of some numbers, about so many positions at a time."""
        for some in _chunks(self._shapes.sizes[which], positions):
            yield self._shapes.take(which[some])

    def _map(self) -> Array:
        positions: Array = np.memmap(self._path, np.int32, "r").reshape(-1, 2)
        return positions


def read(layer: SourceLayer, folder: Path, tell: Progress) -> list[Store]:
    """Read a layer through the engine's own checks, into stores by kind.

    Raises
    ------
    DatasetError
        If the source is missing, broken or unreadable, or more of it than half.
    """
    prepared = prepare(dataclasses.replace(layer, fields=[], filter=None), None)
    dataset = prepared.dataset
    place = ToWorld.of(pyproj.CRS.from_user_input(dataset.crs), dataset.bounds)
    stores: dict[int, Store] = {}
    count, unreadable = 0, LeftOut()
    for batch in prepared.source.batches():
        count += len(batch.ids)
        read = read_column(batch.geometries)
        unreadable += LeftOut.of(batch.unreadable_with(read.unreadable))
        for shapes in from_geometries(_mended(read.geometries), batch.ids):
            # Of some nothing has a place on the map, such as of a sliver along 180 degrees.
            for placed in place.place(shapes):
                if shapes.kind not in stores:
                    stores[shapes.kind] = Store(shapes.kind, folder / f"{shapes.kind}.positions")
                stores[shapes.kind].add(placed)
        tell(min(1.0, count / max(1, dataset.feature_count)), "Reading")
    check_readable_share(prepared.source.name, unreadable, count)
    for store in stores.values():
        store.finish()
    return list(stores.values())


def _mended(geometries: Array) -> Array:
    """Return geometries, those that are not valid repaired; None for none."""
    wrong = ~(shapely.is_valid(geometries) | shapely.is_missing(geometries))
    if wrong.any():
        geometries = geometries.copy()
        geometries[wrong] = shapely.make_valid(geometries[wrong], method="structure")
    return geometries


def _morton(boxes: Array) -> Array:
    """Return each box's place on a curve that keeps neighbours together (Z-order)."""
    middles = (boxes[:, :2].astype(np.int64) + boxes[:, 2:]) >> 1
    cells = np.clip(middles >> (WORLD_BITS - 16), 0, (1 << 16) - 1)
    spread = [_spread(cells[:, axis]) for axis in (0, 1)]
    curve: Array = spread[0] | spread[1] << 1
    return curve


def _spread(numbers: Array) -> Array:
    """Return numbers of 16 bits with a zero bit behind each bit."""
    for shift, mask in ((8, 0x00FF00FF), (4, 0x0F0F0F0F), (2, 0x33333333), (1, 0x55555555)):
        numbers = (numbers | numbers << shift) & mask
    return numbers


def _chunks(sizes: Array, positions: int = _CHUNK_POSITIONS) -> Iterator[slice]:
    """Yield runs of features with about so many positions each."""
    if len(sizes) == 0:
        return
    chunk = np.cumsum(sizes) // positions
    edges = [0, *(np.flatnonzero(np.diff(chunk)) + 1).tolist(), len(sizes)]
    for begin, end in zip(edges[:-1], edges[1:], strict=True):
        yield slice(begin, end)
