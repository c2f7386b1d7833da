"""GML as a source; of what GDAL makes no geometry it passes over the feature.

Where a GML comes without its schema GDAL writes what it found beside it (``.gfs``), and takes
that for true when it opens the file again. Nothing is written into the folder of a source here.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote as quote_address

from marinemap.errors import DatasetError, quote
from marinemap.extraction.sources.gml_crs import check_one_crs
from marinemap.extraction.sources.gml_features import find_odd_coordinates, passed_over
from marinemap.extraction.sources.gml_values import check_values
from marinemap.extraction.sources.source import SourceFormat, state_of, with_suffixes
from marinemap.extraction.sources.xml import check_xml
from marinemap.sentences import say

# By it, in so many bytes, GDAL knows a GML of any name.
_SPACE, _LOOKED_AT_BYTES = b"opengis.net/gml", 4_096
# They say which fields there are.
_PARTS = with_suffixes(".gfs", ".xsd")
_REMEMBERED = 256


def is_gml(path: Path) -> bool:
    """Tell whether GDAL takes a file for a GML, whatever its name."""
    with suppress(OSError):
        if path.is_file():
            with path.open("rb") as file:
                return _SPACE in file.read(_LOOKED_AT_BYTES)
    return False


def _without_schema(path: Path) -> Mapping[str, str]:
    return {"WRITE_GFS": "NO"}


def _read_only(path: Path) -> str:
    """Return a name under which GDAL has no way to write, and finds the schema beside."""
    return f"/vsicached?file={quote_address(str(path))}"


def _check_gml(path: Path) -> None:
    _check(path, state_of(*_PARTS(path)))


@lru_cache(_REMEMBERED)
def _check(path: Path, state: object) -> None:
    """Go through a file, once for each state of it and of what says its fields."""
    check_xml(path)
    check_one_crs(path)
    odd = find_odd_coordinates(path)
    if odd is not None:
        line, text = odd
        raise DatasetError(
            say(
                "line {line:,} of {name} has coordinates that are no numbers: '{text}'",
                line=line,
                name=path.name,
                text=quote(text),
            ),
            field="source",
            value=path.name,
            hint=say("Mend that feature, or take it out."),
        )
    check_values(path, _without_schema(path), _read_only(path))


SOURCE = SourceFormat(
    (".gml", ".xml"),
    parts=_PARTS,
    check=_check_gml,
    opens_safely=True,
    options=_without_schema,
    name_for_gdal=_read_only,
    passed_over=passed_over,
    environment={
        # Otherwise one broken geometry ends the reading of all.
        "GML_SKIP_CORRUPTED_FEATURES": "YES",
        # Otherwise the size of one that is compressed is noted beside it.
        "CPL_VSIL_GZIP_WRITE_PROPERTIES": "NO",
    },
)
