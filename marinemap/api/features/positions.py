"""Where a page of features goes on, and of which version of the data it is."""

from __future__ import annotations

import re
from typing import Any

from marinemap.api.problems import DataChangedError
from marinemap.catalogue.models import Layer
from marinemap.errors import RequestError, UnavailableError
from marinemap.extraction import fingerprint
from marinemap.sentences import say

# Where the page before ended, and of which version it was.
_POSITION = re.compile(r"(-?\d{1,18})(?:\.([0-9a-f]{1,40}))?", re.ASCII)


def version_of_data(layer: Layer, mark: str) -> str:
    """Return what a page says its version is: the catalogue's, where it has seen the file.

    Parameters
    ----------
    layer : Layer
    mark : str
        Of the file as it is now.
    """
    return layer.version if mark == layer.fingerprint else mark


def write_position(after: int, version: str) -> str:
    """Return the value of ``after`` for the page that follows."""
    return f"{after}.{version}"


def read_position(after: str | None, version: str) -> dict[str, Any]:
    """Return where a page begins, as an argument of what reads it.

    Raises
    ------
    DataChangedError
        If the page before was of another version: features might come twice, or not at all.
    RequestError
        If it is no place of a page.
    """
    if after is None:
        return {}
    found = _POSITION.fullmatch(after)
    if found is None:
        raise RequestError(
            say("not the end of a page; follow the link 'next' of a page"),
            field="after",
            value=after,
        )
    if found[2] not in (None, version):
        raise DataChangedError(
            say(
                "the layer's data have changed since the page before: that was of "
                "version '{before}', now it is '{now}'",
                before=found[2],
                now=version,
            ),
            field="after",
            value=after,
            hint=say("Begin again at the first page, without 'after'."),
        )
    return {"after": int(found[1])}


def check_unchanged(layer: Layer, mark: str) -> None:
    """Refuse what was read of a file that was written to meanwhile.

    Raises
    ------
    UnavailableError
    """
    if fingerprint(layer.path) != mark:
        raise UnavailableError(
            say("the data of layer '{layer}' changed while they were read", layer=layer.pk),
            hint=say("Ask again in a moment."),
        )
