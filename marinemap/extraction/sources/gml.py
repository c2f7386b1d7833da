"""GML as a source; of what GDAL makes no geometry it passes over the feature."""

from __future__ import annotations

from pathlib import Path

from marinemap.errors import DatasetError, quote
from marinemap.extraction.sources.gml_features import find_odd_coordinates, passed_over
from marinemap.extraction.sources.source import SourceFormat
from marinemap.extraction.sources.xml import check_xml
from marinemap.sentences import say


def _check_gml(path: Path) -> None:
    check_xml(path)
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


SOURCE = SourceFormat(
    (".gml", ".xml"),
    check=_check_gml,
    opens_safely=True,
    passed_over=passed_over,
    # Otherwise one broken geometry ends the reading of all.
    environment={"GML_SKIP_CORRUPTED_FEATURES": "YES"},
)
