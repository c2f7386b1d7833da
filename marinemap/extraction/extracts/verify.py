"""Compare what was written with what another library reads back."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from marinemap.errors import ServiceError
from marinemap.extraction.formats import get_format
from marinemap.extraction.formats.second_reader import FionaError
from marinemap.extraction.formats.written import WrittenLayer

# Bounds pass through no arithmetic but, in text formats, through decimal digits.
_BOUNDS_TOLERANCE = 1e-6
_READ_ERRORS = (FionaError, pa.ArrowException, UnicodeDecodeError, ValueError, OSError)


def verify(written: WrittenLayer) -> None:
    """Compare a file on disk with what was put in.

    It is read by another library than wrote it, so that one's mistake is not hidden by the same
    mistake on reading.

    Raises
    ------
    ServiceError
        If a length, a count, a field name, the bounds or a geometry differs; the difference is
        named.
    """
    try:
        found = get_format(written.format).read_back(written)
    except _READ_ERRORS as error:
        # Without the server's folders.
        plain = str(error).replace(f"{written.path.parent}/", "")
        raise ServiceError(f"{written.path.name} cannot be read back: {plain}") from error
    _expect(written, "features", found.features, written.features)
    if found.fields is not None:
        seen = [name for name in written.fields.values() if name not in written.unseen]
        _expect(written, "fields", found.fields, seen)
    if written.features and found.bounds and written.bounds:
        _expect_bounds(written, found.bounds, written.bounds)


def _expect(written: WrittenLayer, what: str, found: Any, expected: Any) -> None:
    if found != expected:
        raise ServiceError(
            f"{written.path.name} reads back with other {what} than were written: {found} "
            f"instead of {expected}"
        )


def _expect_bounds(written: WrittenLayer, found: Any, expected: Any) -> None:
    scale = max(1.0, *(abs(number) for number in expected))
    if max(abs(f - e) for f, e in zip(found, expected, strict=True)) > scale * _BOUNDS_TOLERANCE:
        _expect(written, "bounds", found, expected)
