"""One tile out of the drawing of a layer, a PMTiles archive (version 3 of its specification)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from pmtiles.reader import Reader
from pmtiles.tile import Compression

from marinemap.api.problems import NotFoundError
from marinemap.catalogue.drawings import open_drawing
from marinemap.catalogue.models import Drawing, Layer
from marinemap.sentences import Sentence, say


@dataclass(frozen=True)
class TileArchive:
    """An open drawing: what it covers, and its tiles."""

    name: str
    reader: Any
    header: dict[str, Any]

    @property
    def zooms(self) -> tuple[int, int]:
        """The lowest and the highest zoom that have tiles."""
        return int(self.header["min_zoom"]), int(self.header["max_zoom"])

    @property
    def encoding(self) -> str | None:
        """How the tiles are compressed, as the header Content-Encoding says it."""
        is_gzip = self.header["tile_compression"] == Compression.GZIP
        return "gzip" if is_gzip else None

    @property
    def metadata(self) -> dict[str, Any]:
        """What the archive says of its layers of tiles."""
        found: dict[str, Any] = self.reader.metadata()
        return found

    def tile(self, zoom: int, column: int, row: int) -> bytes | None:
        """Return a tile, None where nothing is drawn."""
        found: bytes | None = self.reader.get(zoom, column, row)
        return found


@contextmanager
def open_archive(layer: Layer) -> Iterator[TileArchive]:
    """Open the drawing of a layer for one request.

    Raises
    ------
    NotFoundError
        If the layer is not drawn yet.
    """
    drawing: Drawing | None = getattr(layer, "drawing", None)
    file = open_drawing(layer, drawing.file) if drawing and drawing.file else None
    if file is None or drawing is None:
        raise NotFoundError(_why(layer, drawing), field="collectionId", value=layer.pk)
    with file:
        reader = Reader(_source(file))
        yield TileArchive(drawing.file, reader, reader.header())


def _why(layer: Layer, drawing: Drawing | None) -> Sentence:
    if drawing is not None and drawing.is_finished and not drawing.file:
        return say("layer '{layer}' has no drawing: nothing of it can be drawn", layer=layer.pk)
    return say(
        "layer '{layer}' is not drawn yet; its description tells how far its drawing is",
        layer=layer.pk,
    )


def _source(file: BinaryIO) -> Any:
    # A part at a time, wherever another reader of the same file may be.
    return lambda offset, length: os.pread(file.fileno(), length, offset)
