"""One layer of a vector file, here or on a server, or a table: what it holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from marinemap.extraction.place import Place

Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class Field:
    """A column: its name and its type in OGR's words, such as ``str``, ``int32``, ``date``."""

    name: str
    type: str


@dataclass(frozen=True)
class KnownZones:
    """Zones of moments that were found when a file was read before.

    Parameters
    ----------
    state : str
        The file's fingerprint then.
    zones : tuple of (str, str), optional
        Fields and their zones; None where none were sought.
    seconds : float, optional
        How long they may be sought where the file has another state by now; None for no limit.
    """

    state: str
    zones: tuple[tuple[str, str], ...] | None
    seconds: float | None = None


@dataclass(frozen=True)
class Dataset:
    """One layer of a vector file, here or on a server, or a table.

    ``bounds`` are (minx, miny, maxx, maxy) in the layer's own CRS, x before y; None where the
    layer is empty or no feature has a geometry. ``crs`` is an authority code such as
    ``EPSG:4326``, or WKT where the CRS has none. Without ``known_zones`` whoever needs the zones
    of its moments reads them all. ``assumed`` is a sentence about what the data leave unsaid.
    ``placed_count`` is of how many features it was seen that they lie somewhere, if it was.
    """

    path: Place
    layer: str
    crs: str
    bounds: Bounds | None
    geometry_type: str
    fields: tuple[Field, ...]
    feature_count: int
    known_zones: KnownZones | None = None
    assumed: str = ""
    placed_count: int | None = None

    @property
    def may_hold_collections(self) -> bool:
        """Whether a feature may have parts of several types, by what is declared."""
        return self.geometry_type.startswith(("GeometryCollection", "Unknown"))

    @property
    def file(self) -> Path:
        """The file that it is in; only where it is in one."""
        if not isinstance(self.path, Path):
            raise TypeError(f"{self.title} is in no file here")
        return self.path

    @property
    def title(self) -> str:
        """What to call the layer in a message."""
        return f"layer '{self.layer}' of {self.path.name}"
