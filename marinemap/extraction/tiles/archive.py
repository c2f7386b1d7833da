"""Tiles as one archive that a map reads by ranges (PMTiles 3)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, BinaryIO

from pmtiles.tile import Compression, TileType, zxy_to_tileid
from pmtiles.writer import Writer


class Archive:
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
