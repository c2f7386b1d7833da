"""Vector tiles as bytes: all features of many tiles at once, as one stream of varints.

Mapbox Vector Tile Specification 2.1. In protocol buffers lengths, tags, ids and commands are
varints alike, so that whole layers are written by arithmetic on arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from marinemap.extraction.tiles.shapes import LINE, POINT, POLYGON, Shapes

_MOVE_TO, _LINE_TO, _CLOSE_PATH = 9, 2, 15
# Field 2 of a layer; of a feature: 1 id, 3 type, 4 geometry.
_FEATURE, _ID, _TYPE, _GEOMETRY = 0x12, 0x08, 0x18, 0x22
_HEADER_WORDS = 8
_ID_WORDS = 2
# Of a feature that is several of the layer's.
NO_ID = -1
# A position has no more bits on any grid; the identifiers of a source may have 63.
_POSITION_BITS, _ID_BITS = 42, 63
_LAYER_NAME = b"layer"

Array = np.ndarray[Any, Any]


def encode_features(shapes: Shapes, origins: Array) -> tuple[bytes, Array]:
    """Return features of a layer as bytes, and where each begins and the last one ends.

    Parameters
    ----------
    shapes : Shapes
        In units of the tiles' grid, y downwards. Those with a negative number bear none.
    origins : array of shape (n, 2)
        Where the tile of each feature begins.
    """
    words, starts = _words(shapes, origins)
    widths = _widths(words, _POSITION_BITS)
    geometry_bytes = np.add.reduceat(widths, starts[:-1] + _HEADER_WORDS)
    # Each sum runs into the next feature's header, which is still of zeros: one byte a word.
    geometry_bytes[:-1] -= _HEADER_WORDS
    heads = starts[:-1]
    words[heads + 7] = geometry_bytes
    words[heads + 3] = shapes.ids
    for place, word in ((0, _FEATURE), (2, _ID), (4, _TYPE), (5, shapes.kind), (6, _GEOMETRY)):
        words[heads + place] = word
    header = heads[:, None] + np.arange(_HEADER_WORDS)
    header_widths = _widths(words[header], _ID_BITS)
    header_widths[shapes.ids < 0, 2 : 2 + _ID_WORDS] = 0
    words[heads + 1] = header_widths[:, 2:].sum(axis=1) + geometry_bytes
    header_widths[:, 1] = _widths(words[heads + 1], _POSITION_BITS)
    widths[header] = header_widths
    content, ends = _varints(words, widths)
    return content, np.concatenate([[0], ends])[starts]


def encode_layer(features: bytes, extent: int) -> bytes:
    """Return a tile of one layer."""
    name = b"\x0a" + _varint(len(_LAYER_NAME)) + _LAYER_NAME
    body = b"\x78\x02" + name + features + b"\x28" + _varint(extent)
    return b"\x1a" + _varint(len(body)) + body


def _words(shapes: Shapes, origins: Array) -> tuple[Array, Array]:
    """Return the numbers to write, with room for each feature's header, and where each begins."""
    lengths = shapes.lengths
    # MoveTo and its position; LineTo and the others; ClosePath.
    extra = {POINT: 1, LINE: 2, POLYGON: 3}[shapes.kind]
    part_words = 2 * lengths + extra
    of_feature = np.repeat(np.arange(len(shapes)), np.diff(shapes.starts))
    part_starts = np.concatenate([[0], np.cumsum(part_words)])[:-1]
    part_starts = part_starts + _HEADER_WORDS * (of_feature + 1)
    total = int(part_words.sum()) + _HEADER_WORDS * len(shapes)
    words = np.zeros(total, np.int64)
    words[part_starts] = _MOVE_TO
    if shapes.kind != POINT:
        words[part_starts + 3] = (lengths - 1) << 3 | _LINE_TO
    if shapes.kind == POLYGON:
        words[part_starts + part_words - 1] = _CLOSE_PATH
    within = np.arange(len(shapes.xy)) - np.repeat(shapes.offsets[:-1], lengths)
    places = np.repeat(part_starts, lengths) + np.where(within == 0, 1, 2 + 2 * within)
    steps = _zigzag(_steps(shapes, origins))
    words[places], words[places + 1] = steps[:, 0], steps[:, 1]
    starts = np.append(part_starts[shapes.starts[:-1]] - _HEADER_WORDS, total)
    return words, starts


def _steps(shapes: Shapes, origins: Array) -> Array:
    """Return how the pen moves: from the tile's corner to the first position, and on from each."""
    before = np.empty_like(shapes.xy)
    before[1:] = shapes.xy[:-1]
    before[shapes.offsets[shapes.starts[:-1]]] = origins
    return shapes.xy - before


def _zigzag(steps: Array) -> Array:
    return (steps << 1) ^ (steps >> 63)


def _widths(words: Array, most_bits: int) -> Array:
    """Return how many bytes each number, of so many bits, takes as a varint."""
    widths = np.ones(words.shape, np.int64)
    for bits in range(7, most_bits, 7):
        widths += words >= 1 << bits
    return widths


def _varints(words: Array, widths: Array) -> tuple[bytes, Array]:
    ends = np.cumsum(widths)
    begins = ends - widths
    content = np.zeros(int(ends[-1]), np.uint8)
    for place in range(int(widths.max())):
        there = widths > place
        more = (widths[there] > place + 1).astype(np.uint8) << 7
        content[begins[there] + place] = (words[there] >> (7 * place) & 127).astype(np.uint8) | more
    return content.tobytes(), ends


def _varint(number: int) -> bytes:
    words = np.array([number], np.int64)
    return _varints(words, _widths(words, _POSITION_BITS))[0]
