"""What each tile of a zoom holds, gathered as it comes, and given out tile by tile."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from isal import igzip
from pmtiles.tile import zxy_to_tileid

from marinemap.extraction.tiles.cut import Pieces
from marinemap.extraction.tiles.encode import encode_features, encode_layer

_MOST_TILE_BYTES = 250_000


class Bundle:
    """Features of one zoom as bytes in a file, and which run of them belongs to which tile.

    Parameters
    ----------
    spool : BinaryIO
        An empty file.
    zoom : int
    bits : int
        A tile has ``2 ** bits`` units.
    """

    def __init__(self, spool: BinaryIO, zoom: int, bits: int) -> None:
        self._spool = spool
        self._zoom = zoom
        self._bits = bits
        self._runs: dict[tuple[int, int], list[tuple[int, int]]] = {}

    def add(self, pieces: Pieces) -> None:
        """Add features, each to its tile."""
        ordered = pieces.sorted()
        content, ends = encode_features(ordered.shapes, ordered.tiles << self._bits)
        begin = self._spool.seek(0, os.SEEK_END)
        self._spool.write(content)
        changes = np.flatnonzero((np.diff(ordered.tiles, axis=0) != 0).any(axis=1)) + 1
        edges = [0, *changes.tolist(), len(ordered.tiles)]
        for first, last in zip(edges[:-1], edges[1:], strict=True):
            column, row = ordered.tiles[first].tolist()
            run = (begin + int(ends[first]), int(ends[last] - ends[first]))
            self._runs.setdefault((column, row), []).append(run)

    def tiles(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield column, row and content of each tile, in the order of their numbers."""
        for tile in sorted(self._runs, key=lambda tile: zxy_to_tileid(self._zoom, *tile)):
            yield *tile, _packed(b"".join(self._fetch(self._runs[tile])), 1 << self._bits)

    def _fetch(self, runs: list[tuple[int, int]]) -> Iterator[bytes]:
        for begin, length in runs:
            self._spool.seek(begin)
            yield self._spool.read(length)


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
