"""The formats an extract may have; each is one module of this folder that holds a ``FORMAT``."""

from __future__ import annotations

import importlib
import pkgutil

from marinemap.errors import RequestError, did_you_mean, quote
from marinemap.extraction.formats.format import Format
from marinemap.sentences import say

DEFAULT_FORMAT = "shapefile"
# The one that loses nothing, for a full copy beside another.
FULL_FORMAT = "geopackage"


def _rank(format_: Format) -> tuple[int, str]:
    first = (DEFAULT_FORMAT, FULL_FORMAT)
    return first.index(format_.id) if format_.id in first else len(first), format_.id


def _found() -> dict[str, Format]:
    """Return the formats by id: the default, the full one, the others."""
    modules = pkgutil.iter_modules(__path__, f"{__name__}.")
    members = (getattr(importlib.import_module(m.name), "FORMAT", None) for m in modules)
    formats = [member for member in members if isinstance(member, Format)]
    return {f.id: f for f in sorted(formats, key=_rank)}


_FORMATS = _found()
FORMATS = tuple(_FORMATS)


def get_format(name: str) -> Format:
    """Return a format by its id.

    Raises
    ------
    RequestError
        If there is none; those that there are are named.
    """
    # A tuple is looked through by equality, so that a list or an object is refused as well.
    if name not in FORMATS:
        shown = quote(name)
        raise RequestError(
            say(
                "no format '{format}'; there are {listed}.{nearest}",
                format=shown,
                listed=", ".join(FORMATS),
                nearest=did_you_mean(shown, FORMATS),
            ),
            field="format",
            value=name,
        )
    return _FORMATS[name]


def check_format(name: str, crs: str | None) -> None:
    """Refuse a format that there is not, or a CRS that the format cannot have.

    Raises
    ------
    RequestError
        With what there is.
    """
    only = get_format(name).crs
    if only and crs and crs not in ("EPSG:4326", "OGC:CRS84"):
        raise RequestError(
            say(
                "{name} is always longitude, latitude in degrees ({only}), never {crs}",
                name=name,
                only=only,
                crs=crs,
            ),
            field="crs",
            value=crs,
            hint=say("Leave the CRS out, or ask for another format."),
        )
