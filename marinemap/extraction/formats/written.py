"""What a format tells of the files it wrote."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Loss:
    """Something a format could not hold as it came.

    Parameters
    ----------
    kind : str
        One word: ``text_cut``, ``type_changed``, ``value_lost``, ``field_dropped``, ``height``,
        ``measure``, ``collection``, ``text_changed``, ``text_quoted``, ``value_rounded``.
    field : str
        The field at fault, by its name in the source; empty where none is.
    count : int
        How many values.
    detail : str
        A sentence for a person.
    """

    kind: str
    field: str
    count: int
    detail: str


@dataclass(frozen=True)
class WrittenLayer:
    """One file of one geometry type, with the files that belong to it.

    ``format`` is the format's id. ``path`` is the file, or folder, to open, ``files`` all of
    them. ``layer`` is the layer within it. ``fields`` maps the source's names to those written.
    ``bounds`` are (minx, miny, maxx, maxy) in the CRS of the file; None where it is empty or the
    format does not say. ``unseen`` are written fields that the library which reads back passes by.
    """

    format: str
    path: Path
    files: tuple[Path, ...]
    layer: str
    geometry_type: str
    features: int
    fields: dict[str, str]
    bounds: tuple[float, float, float, float] | None = None
    losses: tuple[Loss, ...] = field(default=())
    unseen: tuple[str, ...] = ()

    @property
    def members(self) -> dict[str, Path]:
        """The files by their names in an archive."""
        return {file.relative_to(self.path.parent).as_posix(): file for file in self.files}


def parted_collections(collections: int) -> list[Loss]:
    """Return what became of collections where a file holds one type, if there were any."""
    words = "1 collection" if collections == 1 else f"{collections:,} collections"
    detail = f"{words} became a feature for each type of geometry within"
    return [Loss("collection", "", collections, detail)] if collections else []
