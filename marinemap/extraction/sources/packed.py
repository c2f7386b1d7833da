"""Packed files as sources: file geodatabases only.

What else is in a zip GDAL would read without what is known here of its format: a CSV's positions,
a shapefile's encoding and damage. Of a KMZ it loses fields that a schema declares, and makes 0 of
coordinates that are no numbers (3.12).
"""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath

from marinemap.errors import DatasetError, quote
from marinemap.extraction.sources.source import SourceFormat, damaged
from marinemap.sentences import say

_GEODATABASE = ".gdb"


def _look(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [PurePosixPath(name) for name in archive.namelist() if not name.endswith("/")]
    except (zipfile.BadZipFile, OSError) as error:
        raise damaged(path, say("is no sound zip: {error}", error=error)) from error
    loose = [name for name in names if not _is_in_geodatabase(name)]
    if loose or not names:
        raise DatasetError(
            say(
                "{name} is a zip (with {inside}): of packed files only file geodatabases are read",
                name=path.name,
                inside=quote(str(loose[0])) if loose else say("nothing"),
            ),
            field="source",
            value=path.name,
            hint=say("Unpack it, and name a file that was in it."),
        )


def _is_in_geodatabase(name: PurePosixPath) -> bool:
    return any(part.lower().endswith(_GEODATABASE) for part in name.parts[:-1])


SOURCE = SourceFormat((".zip", ".kmz", ".shz"), look=_look)
