"""KML as a source; of all XML, whether it is whole."""

from __future__ import annotations

from pathlib import Path
from xml.parsers import expat

from marinemap.extraction.sources.source import SourceFormat, damaged
from marinemap.sentences import say


def check_xml(path: Path) -> None:
    """Refuse what is not well-formed: GDAL's reader of GML ends there without a word."""
    parser = expat.ParserCreate()
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    except expat.ExpatError as error:
        raise damaged(path, say("is not well-formed XML: {error}", error=error)) from error


SOURCE = SourceFormat((".kml",), check=check_xml, opens_safely=True)
