"""What a format of sources tells of itself, where GDAL reads what is left of a damaged file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from marinemap.errors import DatasetError, quote
from marinemap.extraction.remote.address import Remote
from marinemap.sentences import say

# Of columns, in one sentence.
_MOST_NAMED = 10

Array = np.ndarray[Any, Any]


def _alone(path: Path) -> list[Path]:
    return [path]


def _itself(path: Path) -> str:
    return str(path)


def _none(path: Path) -> Mapping[str, str]:
    return {}


def _trusted(path: Path) -> object:
    return None


def _unknown(path: Path) -> Iterator[Array] | None:
    return None


@dataclass(frozen=True)
class PointColumns:
    """Two columns of which positions are made, for GDAL makes wrong ones of some texts.

    ``are_degrees`` where their names say that they are longitudes and latitudes.
    """

    x: str
    y: str
    are_degrees: bool

    @property
    def names_for_gdal(self) -> dict[str, str]:
        """What has GDAL make positions of them; it tells their CRS then."""
        return {"X_POSSIBLE_NAMES": self.x, "Y_POSSIBLE_NAMES": self.y}


def _as_gdal_says(path: Path) -> int | None:
    return None


def _sound(path: Path, layer: str) -> Callable[[Any], Any] | None:
    return None


def _all_read(path: Path, layer: str, read: Collection[str]) -> str:
    return ""


def _no_points(path: Path) -> PointColumns | None:
    return None


@dataclass(frozen=True)
class SourceFormat:
    """A format that layers are read from.

    Parameters
    ----------
    suffixes : tuple of str
        In small letters.
    parts : callable
        Returns the files that belong to one, itself first.
    check : callable
        Refuses, with a DatasetError, what is cut off or damaged; reads the file once.
    look : callable
        Refuses likewise, before GDAL opens the file for the first time; within a bounded time.
    has_index : bool
        Whether GDAL may be asked by a box: its index is checked, or none hides features.
    opens_safely : bool
        Whether GDAL survives what is damaged, as mutated files have shown; of others nothing is
        opened before a child process has come through it.
    has_one_zone : bool
        Whether the moments of a field have one zone for all, or none, so that GDAL tells it.
    shares_ids : bool
        Whether GDAL gives several features one id, so that a feature's place has to be its id.
    is_held : bool
        Whether GDAL holds the file in memory as a whole while it is open.
    is_parquet : bool
        Whether it is read by ``extraction.geoparquet``, and not by GDAL.
    boxes : callable
        Returns the boxes (minx, miny, maxx, maxy) of all features, some at a time, by which those
        near an area are counted where all are read; None where the file keeps none.
    count : callable
        Returns how many features a file holds, where GDAL says it wrongly, else None.
    options : callable
        Returns what GDAL is told whenever it opens the file.
    name_for_gdal : callable
        Returns the name by which GDAL opens the file where it cannot be told options.
    environment : mapping
        Options for GDAL that have no other way in.
    points : callable
        Returns the columns of which positions are made, where GDAL reads none.
    table_hint : str
        What to do about one in which GDAL finds no geometry.
    mend : callable
        Returns what puts right features of a layer that GDAL gives wrongly, as Arrow's batch or
        table with their ids in the first column; None where there are none.
    unread : callable
        Returns a sentence about columns of a layer that GDAL does not give, from the names of
        those that it gives; "" where it gives all.
    passed_over : callable, optional
        Returns the features of a layer that GDAL passes over, each with the reason, from the ids
        of those that it gave.
    """

    suffixes: tuple[str, ...]
    parts: Callable[[Path], list[Path]] = _alone
    check: Callable[[Path], object] = _trusted
    look: Callable[[Path], object] = _trusted
    has_index: bool = False
    opens_safely: bool = False
    has_one_zone: bool = False
    shares_ids: bool = False
    is_held: bool = False
    is_parquet: bool = False
    boxes: Callable[[Path], Iterator[Array] | None] = _unknown
    count: Callable[[Path], int | None] = _as_gdal_says
    options: Callable[[Path], Mapping[str, str]] = _none
    name_for_gdal: Callable[[Path], str] = _itself
    environment: Mapping[str, str] = field(default_factory=dict)
    points: Callable[[Path], PointColumns | None] = _no_points
    table_hint: str = ""
    mend: Callable[[Path, str], Callable[[Any], Any] | None] = _sound
    unread: Callable[[Path, str, Collection[str]], str] = _all_read
    passed_over: Callable[[Path, str, Array], Mapping[int, str]] | None = None


def with_suffixes(*wanted: str) -> Callable[[Path], list[Path]]:
    """Return what lists the files beside one that have its name and one of some suffixes."""

    def parts(path: Path) -> list[Path]:
        beside = {
            part.suffix.lower(): part
            for part in sorted(path.parent.iterdir())
            if part.stem == path.stem and part != path
        }
        return [path, *(beside[suffix] for suffix in wanted if suffix in beside)]

    return parts


def damaged(path: Path | Remote, what: str) -> DatasetError:
    """Return the error of a file that is cut or damaged."""
    return DatasetError(
        say("{name} {what}: it is cut or damaged; ask for a whole copy", name=path.name, what=what),
        field="source",
        value=path.name,
    )


def of_other_type(
    path: Path, line: int, name: str, value: str, type_name: str, hint: str
) -> DatasetError:
    """Return the error of a value that is none of the type of its field or column."""
    return DatasetError(
        say(
            "line {line:,} of {file} has '{value}' in '{name}', which is no {type}",
            line=line,
            file=path.name,
            value=quote(value),
            name=quote(name),
            type=type_name,
        ),
        field="source",
        value=name,
        hint=hint,
    )


def some_of(names: Sequence[str]) -> str:
    """Return names of columns for a sentence, the first ten of them."""
    return ", ".join(names[:_MOST_NAMED]) + ", ..." * (len(names) > _MOST_NAMED)


def state_of(*paths: Path) -> tuple[tuple[int, int, int], ...]:
    """Return by what files are known to be the same as before, for what is remembered of them."""
    found = [path.stat() for path in paths]
    # The number of a file tells a replacement that has the size and the time of the old one.
    return tuple((each.st_size, each.st_mtime_ns, each.st_ino) for each in found)


def of_other_length(path: Path, found: int, stated: int) -> DatasetError:
    """Return the error of a file that has not as many bytes as it states."""
    what = say("is {found:,} bytes long but its header says {stated:,}", found=found, stated=stated)
    return damaged(path, what)
