"""GeoJSON as a source; GDAL itself refuses what is no JSON to its end."""

from __future__ import annotations

import mmap
import re
from pathlib import Path

from marinemap.errors import DatasetError
from marinemap.extraction.sources.source import SourceFormat
from marinemap.sentences import say

# The member of GeoJSON of 2008 (3.2): GDAL asks whatever server it names, at each opening.
_LINKED_CRS = re.compile(rb'"crs"\s*:\s*\{(?:[^{}]|\{[^{}]*\}){0,2000}?"type"\s*:\s*"link"')
# What writes it otherwise comes no further than this: nothing listens there.
_NOWHERE = "http://127.0.0.1:0"


def _refuse_links(path: Path) -> None:
    with path.open("rb") as file:
        if not file.seek(0, 2):
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if not _LINKED_CRS.search(data):
                return
    raise DatasetError(
        say(
            "the CRS of {name} is a link to a description elsewhere, which nobody follows",
            name=path.name,
        ),
        field="crs",
        value=path.name,
        hint=say(
            "Name the CRS in the file, or bring the data to degrees (RFC 7946), for instance by "
            "ogr2ogr -t_srs EPSG:4326."
        ),
    )


SOURCE = SourceFormat(
    (".geojson", ".json"),
    look=_refuse_links,
    opens_safely=True,
    environment={"GDAL_HTTP_PROXY": _NOWHERE, "GDAL_HTTPS_PROXY": _NOWHERE},
)
