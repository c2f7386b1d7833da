"""A reader of shapefiles by the letter of Esri's description, for one type: polygons without Z.

It shares no code with the engine nor with GDAL, and believes nothing but the records.
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PlainRow:
    """The corners of a polygon in the file's order, and the texts of its row in the table."""

    outline: list[tuple[float, float]]
    texts: dict[str, bytes]

    @property
    def corners(self) -> list[tuple[float, float]]:
        """The corners, sorted: readers turn rings and order parts as they like."""
        return sorted(self.outline)


def read_rows(shp: Path, passing_over: Collection[int] = ()) -> list[PlainRow]:
    """Return the features of a shapefile of polygons, in the order of its index.

    Those of some numbers have no corners.
    """
    data, index = shp.read_bytes(), shp.with_suffix(".shx").read_bytes()[100:]
    places = [place * 2 for place, _ in struct.iter_unpack(">ii", index)]
    table = _read_table(shp.with_suffix(".dbf").read_bytes())
    return [
        PlainRow([] if number in passing_over else _outline(data, at), row)
        for number, (at, row) in enumerate(zip(places, table, strict=True))
    ]


def _outline(data: bytes, at: int) -> list[tuple[float, float]]:
    (kind,) = struct.unpack_from("<i", data, at + 8)
    if kind == 0:
        return []
    parts, points = struct.unpack_from("<ii", data, at + 44)
    begins = struct.unpack_from(f"<{parts}i", data, at + 52)
    corners = list(struct.iter_unpack("<dd", data[at + 52 + 4 * parts :][: 16 * points]))
    rings = [corners[a:b] for a, b in zip(begins, [*begins[1:], points], strict=True)]
    return [corner for ring in rings for corner in _closed(ring)]


def _closed(ring: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return a ring with its end at its beginning, as the description wants each to be."""
    return ring if ring[:1] == ring[-1:] else [*ring, ring[0]]


def _read_table(data: bytes) -> list[dict[str, bytes]]:
    count, header, row = struct.unpack_from("<IHH", data, 4)
    columns = []
    for at in range(32, header - 1, 32):
        columns.append((data[at : at + 11].split(b"\0")[0].decode("latin-1"), data[at + 16]))
    rows = []
    for number in range(count):
        at = header + number * row + 1
        texts = {}
        for name, width in columns:
            texts[name] = data[at : at + width].strip(b" \0")
            at += width
        if data[header + number * row] != ord("*"):
            rows.append(texts)
    return rows
