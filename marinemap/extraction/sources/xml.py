"""KML as a source; of all XML, whether it is whole."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from xml.parsers import expat

from marinemap.errors import DatasetError
from marinemap.extraction.sources.kml_values import check_values, mend_of
from marinemap.extraction.sources.mapped import mapped
from marinemap.extraction.sources.source import SourceFormat, damaged
from marinemap.sentences import say

# GDAL's driver (LIBKML, 3.12) keeps a file in memory as a whole, in seven to ten times its size: of
# 255 MB it held 2.6 GB, and had not come to an end after nine minutes.
_MOST_KML_BYTES = 100_000_000
_LINK = re.compile(rb"<(?:\w+:)?NetworkLink[\s>]")


def check_xml(path: Path) -> None:
    """Refuse what is not well-formed: GDAL's reader of GML ends there without a word."""
    parser = expat.ParserCreate()
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    except expat.ExpatError as error:
        raise damaged(path, say("is not well-formed XML: {error}", error=error)) from error


def _check_kml(path: Path) -> None:
    check_xml(path)
    check_values(path)


def _links(path: Path, layer: str, read: Collection[str]) -> str:
    """Return a sentence about links to other files; "" where there are none."""
    with mapped(path) as file:
        if file is None or not any(
            _LINK.search(file.data, begin, end) for begin, end in file.windows(b"<")
        ):
            return ""
    return say(
        "{name} has links to other files (NetworkLink), which are not followed: what they hold "
        "is not read.",
        name=path.name,
    )


def _check_size(path: Path) -> None:
    size = path.stat().st_size
    if size > _MOST_KML_BYTES:
        raise DatasetError(
            say(
                "{name} has {size:,} bytes; of a KML, which has to be held in memory as a whole, "
                "at most {most:,} are read",
                name=path.name,
                size=size,
                most=_MOST_KML_BYTES,
            ),
            field="source",
            value=path.name,
            hint=say(
                "Bring it to another format once, for example with: ogr2ogr {stem}.gpkg {name}",
                stem=path.stem,
                name=path.name,
            ),
        )


SOURCE = SourceFormat(
    (".kml",),
    check=_check_kml,
    look=_check_size,
    is_held=True,
    opens_safely=True,
    mend=mend_of,
    unread=_links,
)
