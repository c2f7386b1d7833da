"""Read back what was written, with another GDAL than the one that wrote it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from marinemap.errors import ServiceError
from marinemap.extraction.formats.second_reader import fiona
from marinemap.extraction.formats.written import WrittenLayer


@dataclass(frozen=True)
class Found:
    """What a file holds: how many features, within which bounds, with which fields.

    ``fields`` is None where the format's readers add fields of their own, or find none where there
    is no feature; ``bounds`` is None where they are not stated.
    """

    features: int
    fields: list[str] | None = None
    bounds: tuple[float, ...] | None = None


def with_fiona(written: WrittenLayer) -> Found:
    """Return what fiona finds, whose wheel carries a GDAL of its own.

    Raises
    ------
    ServiceError
        If the first feature has no geometry.
    """
    with opened(written) as source:
        return look(source, written)


def loosely(written: WrittenLayer, **options: Any) -> Found:
    """Return what fiona finds, without the fields."""
    with opened(written, **options) as source:
        found = look(source, written)
    return Found(found.features, None, found.bounds)


def without_values(written: WrittenLayer) -> Found:
    """Return what fiona finds, without the fields and their values.

    It makes 60 seconds of 59.999999, and fails.
    """
    return loosely(written, include_fields=[])


def with_texts(written: WrittenLayer) -> Found:
    """Return what fiona finds in a GeoJSON, without the fields.

    Asked for texts, GDAL takes none for a day ("2020-02-30"), of which fiona could make nothing.
    """
    return loosely(written, DATE_AS_STRING="YES")


@contextmanager
def opened(written: WrittenLayer, **options: Any) -> Iterator[Any]:
    """Open a file by fiona, whatever the format."""
    with warnings.catch_warnings():
        # fiona warns of field types that it passes by.
        warnings.simplefilter("ignore")
        with fiona.open(written.path, allow_unsupported_drivers=True, **options) as source:
            yield source


def look(source: Any, written: WrittenLayer) -> Found:
    """Return what an open file holds, its first feature looked at."""
    count = _count(source)
    if count:
        check_has_geometry(written, 0, next(iter(source)))
    names = list(source.schema["properties"])
    return Found(count, names, tuple(source.bounds) if count else None)


def check_has_geometry(written: WrittenLayer, index: int, feature: Any) -> None:
    """Refuse a feature without geometry: none is written so."""
    if feature.geometry is None:
        raise ServiceError(f"{written.path.name}: feature {index} reads back without geometry")


def _count(source: Any) -> int:
    try:
        return len(source)
    except TypeError:
        # A FlatGeobuf without features does not state their number.
        return sum(1 for _ in source)
