"""The CRS of the EPSG registry: found by words of their names and places, and by where they fit."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, pairwise

from pyproj.database import query_crs_info
from pyproj.enums import PJType

from marinemap.extraction.projection.crs import is_computable

# Who decides how long it takes is whoever writes the words.
_MOST_WORDS = 8
_CURRENT = ("WGS 84", "ETRS89", "NAD83", "GDA2020", "SIRGAS 2000")
_WORD = re.compile(r"[^\W_]+")

Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class KnownCrs:
    """A CRS of the registry.

    ``bounds_4326`` are those of its area of use, the first larger than the third across 180
    degrees; ``place`` is that area in the registry's words.
    """

    code: str
    name: str
    place: str
    bounds_4326: Bounds
    is_projected: bool

    @property
    def width(self) -> float:
        """How many degrees of longitude it is made for."""
        west, _, east, _ = self.bounds_4326
        return east - west if west <= east else east - west + 360

    @property
    def datum_rank(self) -> int:
        """Where its datum stands among those in use for continents today; others come last."""
        return next((n for n, name in enumerate(_CURRENT) if self.name.startswith(name)), 99)

    def covers(self, bounds_4326: Bounds) -> bool:
        """Tell whether it is made for all of these bounds; west beyond east is across 180."""
        west, south, east, north = bounds_4326
        if south < self.bounds_4326[1] or north > self.bounds_4326[3]:
            return False
        wide = east - west if west <= east else east - west + 360
        return self.width >= 360 or (west - self.bounds_4326[0]) % 360 + wide <= self.width


def search_crs(text: str, bounds_4326: Bounds | None = None, limit: int = 10) -> list[KnownCrs]:
    """Return the CRS that have the words of a text, those that fit some bounds first.

    Parameters
    ----------
    text : str
        Words of the name, of the place or the code, or their beginnings, without regard to case
        and accents; eight count. Empty: all.
    bounds_4326 : tuple, optional
        Of what is to be mapped, in degrees, west beyond east across 180: of two that fit the one
        made for a smaller part of the world comes first.
    limit : int
        At most so many. A search takes some milliseconds, the first one a second.
    """
    said = _words(text)
    if text.strip() and not said:
        return []
    sought = sorted(set(said), key=len, reverse=True)[:_MOST_WORDS]
    found = [each for each, words in _registry() if _has(words, sought)]

    def rank(known: KnownCrs) -> tuple[bool, bool, bool, float, int, int]:
        fits = bounds_4326 is not None and known.covers(bounds_4326)
        width = known.width if fits else 0.0
        is_meant = known.code in sought
        last = known.datum_rank, int(known.code)
        return not is_meant, not fits, not known.is_projected, width, *last

    # Whoever names a CRS in full means that one, before those that are built on it.
    named = [each for each in found if said and _words(each.name) == said]
    ranked = (each for each in [*named, *sorted(found, key=rank)] if is_computable(each.code))
    return list(islice(dict.fromkeys(ranked), limit))


def _has(words: Sequence[str], sought: Sequence[str]) -> bool:
    return all(any(word.startswith(each) for word in words) for each in sought)


@lru_cache
def _registry() -> tuple[tuple[KnownCrs, tuple[str, ...]], ...]:
    """Return all that are not deprecated, in two dimensions, with the words of each."""
    types = [PJType.GEOGRAPHIC_2D_CRS, PJType.PROJECTED_CRS]
    found: dict[str, tuple[KnownCrs, tuple[str, ...]]] = {}
    for info in query_crs_info(auth_name="EPSG", pj_types=types):
        area = info.area_of_use
        if area is None:
            continue
        is_projected = info.type == PJType.PROJECTED_CRS
        place = (area.name or "").rstrip(".")
        known = KnownCrs(info.code, info.name, place, area.bounds, is_projected)
        named = _words(info.name)
        # "wgs84" as well as "WGS 84".
        joined = [one + two for one, two in pairwise(named) if one.isalpha() and two.isdigit()]
        words = (info.code, "epsg", *named, *joined, *_words(place))
        # A few have a second area of use, within or beside the first.
        if info.code not in found or found[info.code][0].width < known.width:
            found[info.code] = (known, words)
    return tuple(found.values())


def _words(text: str) -> list[str]:
    plain = "".join(
        letter for letter in unicodedata.normalize("NFD", text) if not unicodedata.combining(letter)
    )
    return _WORD.findall(plain.lower())
