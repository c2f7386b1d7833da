"""The drawing of a layer: vector tiles of all zooms in one PMTiles archive."""

from marinemap.extraction.tiles.pyramid import MEDIA_TYPE, Drawing, draw

__all__ = ["MEDIA_TYPE", "Drawing", "draw"]
