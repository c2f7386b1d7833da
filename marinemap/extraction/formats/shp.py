"""The .shp and .shx files of a shapefile, growing on disk (Esri, ShapefileTechnical
Description, July 1998)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from marinemap.extraction.formats.wkb_to_shp import Records

_HEADER_BYTES = 100
_FILE_CODE, _VERSION = 9994, 1000
# With heights a shape type is ten more, with measures alone twenty, page 4.
_Z, _M = 10, 20

Array = np.ndarray[Any, Any]
Range = tuple[float, float]


class ShpWriter:
    """A .shp and its .shx, growing record by record; the headers come last.

    Parameters
    ----------
    path : Path
        Ends in ``.shp``.
    shape_type : int
    has_z, has_m : bool
        Whether the records have heights, and measures.
    """

    def __init__(self, path: Path, shape_type: int, has_z: bool, has_m: bool = False) -> None:
        self._type = shape_type + (_Z if has_z else _M if has_m else 0)
        self._shp = path.open("wb")
        self._shx = path.with_suffix(".shx").open("wb")
        self._shp.write(bytes(_HEADER_BYTES))
        self._shx.write(bytes(_HEADER_BYTES))
        self.size_bytes = _HEADER_BYTES
        self.count = 0
        self.bounds: Array | None = None
        self._heights: Range | None = None
        self._measures: Range | None = None

    def write(self, block: Records) -> None:
        """Append records, in the order of their numbers."""
        records, boxes = block.column, block.boxes
        self._heights = _wider(self._heights, block.heights)
        self._measures = _wider(self._measures, block.measures)
        _, offsets, data = records.buffers()
        first = records.offset
        places = np.frombuffer(offsets, np.int32)[first : first + len(records) + 1].astype(np.int64)
        self._shp.write(memoryview(data)[places[0] : places[-1]])
        entries = np.empty((len(records), 2), ">i4")
        entries[:, 0] = (self.size_bytes + places[:-1] - places[0]) // 2
        entries[:, 1] = (np.diff(places) - 8) // 2
        self._shx.write(entries.tobytes())
        self.size_bytes += int(places[-1] - places[0])
        self.count += len(records)
        self._grow(boxes)

    def close(self) -> None:
        """Write the headers and close the files."""
        for file, length in ((self._shp, self.size_bytes), (self._shx, self._shx.tell())):
            file.seek(0)
            file.write(self._header(length))
            file.close()

    def abandon(self) -> None:
        """Close the files as they are."""
        self._shp.close()
        self._shx.close()

    def _grow(self, boxes: Array) -> None:
        if len(boxes) == 0:
            return
        every = boxes if self.bounds is None else np.vstack([self.bounds, boxes])
        self.bounds = np.concatenate([every[:, :2].min(axis=0), every[:, 2:].max(axis=0)])

    def _header(self, length: int) -> bytes:
        """Page 3: big-endian code and length in 16-bit words, then little-endian values."""
        bounds = np.zeros(4) if self.bounds is None else self.bounds
        head = np.array([_FILE_CODE, 0, 0, 0, 0, 0, length // 2], ">i4").tobytes()
        head += np.array([_VERSION, self._type], "<i4").tobytes()
        ranges = [*(self._heights or (0.0, 0.0)), *(self._measures or (0.0, 0.0))]
        return head + np.concatenate([bounds, ranges]).astype("<f8").tobytes()


def _wider(known: Range | None, found: Range | None) -> Range | None:
    if known is None or found is None:
        return known or found
    return min(known[0], found[0]), max(known[1], found[1])
