"""A layer of the catalogue without Django, which takes longer to start than a small extract."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from marinemap.extraction import SourceLayer, is_address

_COLUMNS = (
    "source",
    "source_layer",
    "title",
    "licence",
    "attribution",
    "version",
    "fingerprint",
    "zones",
)
_QUERY = (
    f"SELECT {', '.join(_COLUMNS)} FROM catalogue_layer "
    "WHERE id = ? AND is_published AND version <> ''"
)


def find_source(database: Mapping[str, Any], layer_id: str) -> SourceLayer | None:
    """Return a layer as the engine reads it, as ``Layer.to_source`` does.

    Parameters
    ----------
    database : mapping
        As Django's settings have it.
    layer_id : str

    Returns
    -------
    SourceLayer or None
        None where the database is no SQLite, has no such layer for now, or the layer is a table:
        then the catalogue itself is to be asked, and tells why.
    """
    if not str(database["ENGINE"]).endswith("sqlite3"):
        return None
    try:
        address = f"{Path(database['NAME']).absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as opened:
            row = opened.execute(_QUERY, [layer_id]).fetchone()
    except sqlite3.Error:
        return None
    # Which servers may be read, the catalogue knows.
    if row is None or is_address(row[0]):
        return None
    found = dict(zip(_COLUMNS, row, strict=True))
    path, layer = Path(found.pop("source")), found.pop("source_layer")
    found["zones"] = json.loads(found["zones"] or "null")
    return SourceLayer(name=layer_id, path=path, layer=layer, **found)
