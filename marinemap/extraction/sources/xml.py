"""GML and GPX as sources."""

from __future__ import annotations

from pathlib import Path
from xml.parsers import expat

from marinemap.extraction.sources.source import SourceFormat, damaged
from marinemap.sentences import say


def _check_xml(path: Path) -> None:
    """GDAL's readers of GML and GPX end at what is not well-formed, without a word."""
    parser = expat.ParserCreate()
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    except expat.ExpatError as error:
        raise damaged(path, say("is not well-formed XML: {error}", error=error)) from error


SOURCE = SourceFormat((".gml", ".xml", ".gpx", ".kml"), check=_check_xml, opens_safely=True)
