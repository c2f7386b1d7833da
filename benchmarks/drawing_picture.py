"""A picture of a drawing at four zooms, made of its tiles alone, to be looked at."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any, BinaryIO

from mapbox_vector_tile import decode
from playwright.sync_api import sync_playwright
from pmtiles.reader import MmapSource, Reader, all_tiles

_SIDE = 450
_TILE_PIXELS = 512
_ZOOMS = 4
# Of a JPEG: what is looked at is told apart, and the file is small.
_QUALITY = 72


def make_picture(archive: Path, destination: Path) -> None:
    """Write a JPEG of four zooms, from the whole layer down to single features."""
    with archive.open("rb") as file:
        reader = Reader(MmapSource(file))
        deepest = reader.header()["max_zoom"]
        zooms = [2 + round(step * (deepest + 1 - 2) / (_ZOOMS - 1)) for step in range(_ZOOMS)]
        centre = _centre(file, deepest)
        panels = "".join(_panel(reader, zoom, deepest, centre) for zoom in zooms)
    style = "body{margin:0;width:900px;display:flex;flex-wrap:wrap;font:12px sans-serif}"
    style += "svg{background:#dbe9ef}path{fill:#d86a86;fill-opacity:.5;stroke:#b0305a}"
    with sync_playwright() as tools:
        # That of the system, as the tests of the page have it; root needs the second.
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = tools.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 2 * _SIDE, "height": 2 * _SIDE})
        page.set_content(f"<style>{style}</style>{panels}")
        page.screenshot(path=str(destination), type="jpeg", quality=_QUALITY)
        browser.close()


def _centre(file: BinaryIO, deepest: int) -> tuple[float, float]:
    """Return the middle of a drawing's tiles, in shares of the world's width."""
    places = [place for place, _ in all_tiles(MmapSource(file)) if place[0] == deepest]
    column, row = (median(axis) + 0.5 for axis in list(zip(*places, strict=True))[1:])
    return column / 2**deepest, row / 2**deepest


def _panel(reader: Reader, zoom: int, deepest: int, centre: tuple[float, float]) -> str:
    """Return an SVG around a place at a zoom; beyond the deepest its tiles are enlarged."""
    level = min(zoom, deepest)
    scale = _TILE_PIXELS * 2 ** (zoom - level)
    left, top = (middle * 2**level * scale - _SIDE / 2 for middle in centre)
    first = [int(edge // scale) for edge in (left, top)]
    last = [int((edge + _SIDE) // scale) for edge in (left, top)]
    paths = []
    for column in range(first[0], last[0] + 1):
        for row in range(first[1], last[1] + 1):
            content = reader.get(level, column, row)
            if content is not None:
                offset = (column * scale - left, row * scale - top)
                paths += _clipped(decode_tile(content), offset, scale)
    box = f'width="{_SIDE}" height="{_SIDE}"'
    return f'<svg {box}>{"".join(paths)}<text x="8" y="16">zoom {zoom}</text></svg>'


def decode_tile(content: bytes) -> Any:
    """Return the features of a tile, y downwards, and its extent."""
    (layer,) = decode(gzip.decompress(content), default_options={"y_coord_down": True}).values()
    return layer


def _clipped(layer: Any, offset: tuple[float, float], scale: float) -> Iterator[str]:
    """Yield the path of each polygon, within its tile: its buffer is drawn by the next one."""
    unit = scale / layer["extent"]
    x, y = offset
    name = f"t{x:.0f}-{y:.0f}"
    box = f'x="{x}" y="{y}" width="{scale}" height="{scale}"'
    yield f'<clipPath id="{name}"><rect {box}/></clipPath>'
    yield f'<g clip-path="url(#{name})">'
    for feature in layer["features"]:
        shape = feature["geometry"]
        polygons = (
            shape["coordinates"] if shape["type"] == "MultiPolygon" else [shape["coordinates"]]
        )
        rings = [ring for polygon in polygons for ring in polygon]
        steps = (
            "L".join(f"{x + u * unit:.1f} {y + v * unit:.1f}" for u, v in ring) for ring in rings
        )
        path = "".join(f"M{step}Z" for step in steps)
        yield f'<path fill-rule="evenodd" stroke-width=".4" d="{path}"/>'
    yield "</g>"
