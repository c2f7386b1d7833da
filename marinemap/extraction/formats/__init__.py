"""The formats an extract may have; each is one file in this folder."""

from __future__ import annotations

from collections.abc import Callable

from marinemap.errors import RequestError, did_you_mean
from marinemap.extraction.formats.plan import LayerWriter, WritePlan
from marinemap.extraction.formats.shapefile import ShapefileSet

_WRITERS: dict[str, Callable[[WritePlan], LayerWriter]] = {"shapefile": ShapefileSet}

FORMATS = tuple(_WRITERS)


def check_format(name: str, field: str = "format") -> None:
    """Refuse a format that there is not.

    Raises
    ------
    RequestError
        With the formats that there are.
    """
    if name not in _WRITERS:
        raise RequestError(
            f"no format '{name}'; there are {', '.join(FORMATS)}.{did_you_mean(name, FORMATS)}",
            field=field,
            value=name,
        )


def open_writer(name: str, plan: WritePlan) -> LayerWriter:
    """Return a writer of the named format, ready for the first features."""
    return _WRITERS[name](plan)
