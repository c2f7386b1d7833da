"""What a format tells of itself; all that the rest of the house knows of it stands here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from marinemap.extraction.formats.plan import LayerWriter, WritePlan
from marinemap.extraction.formats.read_back import Found, with_fiona
from marinemap.extraction.formats.written import Loss, WrittenLayer


def _nothing(attributes: Any) -> list[Loss]:
    return []


class Weigh(Protocol):
    """Tells how many bytes features take from some of them; see ``Weight``."""

    def __call__(
        self, geometries: Any, attributes: Any, features: int, *, is_reprojected: bool
    ) -> int:
        """Return the bytes of all files of a layer with so many features."""


@dataclass(frozen=True)
class Format:
    """A format that an extract may have.

    Parameters
    ----------
    id : str
        Its name in requests.
    title : str
        Its name on a page.
    suffix : str
        Of the file, or folder, to open.
    media_type : str
        As IANA or the format's standard names it.
    about : str
        What it loses and where its limits are, in a sentence or two for a person who chooses.
    writer : callable
        Opens a writer of one layer.
    read_back : callable
        Tells what is found in a file that was written, by another library than wrote it; raises
        ServiceError, or any error of its library, where the file is not whole.
    weigh : callable
        Tells how large its files would be.
    crs : str, optional
        The only CRS that it can have.
    has_esri_crs : bool
        Whether it states a CRS in Esri's words, which have none for the shift of a datum.
    parts_collections : bool
        Whether a feature that is a collection becomes one for each type among its parts.
    foresee : callable
        Tells what it would lose of some attributes (pyarrow.RecordBatch).
    readme : tuple of str
        Lines for the README of an archive: how its files belong together.
    """

    id: str
    title: str
    suffix: str
    media_type: str
    about: str
    writer: Callable[[WritePlan], LayerWriter]
    weigh: Weigh
    read_back: Callable[[WrittenLayer], Found] = with_fiona
    crs: str | None = None
    has_esri_crs: bool = False
    parts_collections: bool = False
    foresee: Callable[[Any], list[Loss]] = _nothing
    readme: tuple[str, ...] = ()
