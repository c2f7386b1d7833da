"""Where a layer is: in a file here, in a table, or in a file on a server."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from marinemap.extraction.postgis.table import Table, is_table
from marinemap.extraction.remote.address import Remote, is_remote

Place: TypeAlias = Path | Table | Remote


def is_address(text: str) -> bool:
    """Tell whether a text is an address of a table or of a file on a server, no path."""
    return is_table(text) or is_remote(text)


def place_of(source: str) -> Place:
    """Return where data are, by a path or an address.

    Raises
    ------
    DatasetError
        If it is an address that cannot be read.
    """
    if is_table(source):
        return Table.parse(source)
    return Remote.parse(source) if is_remote(source) else Path(source)
