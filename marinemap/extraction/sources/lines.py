"""Files of lines as sources: GeoJSON text sequences."""

from __future__ import annotations

import os
from pathlib import Path

from marinemap.errors import quote
from marinemap.extraction.sources.json_ids import unread_ids
from marinemap.extraction.sources.json_numbers import with_short_numbers
from marinemap.extraction.sources.json_values import KEPT_IN_LINES, check_values
from marinemap.extraction.sources.source import SourceFormat, damaged
from marinemap.sentences import say


def _check_json_lines(path: Path) -> None:
    """GDAL passes over a line that is no JSON; each ends with a brace and a line break."""
    check_values(path, KEPT_IN_LINES)
    if not ends_with_newline(path):
        raise damaged(path, say("does not end with a line break"))
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            plain = line.strip(b" \t\r\n\x1e")
            if plain and not (plain.startswith(b"{") and plain.endswith(b"}")):
                shown = quote(plain[-40:].decode(errors="replace"))
                raise damaged(
                    path,
                    say(
                        "has no JSON object in line {number:,}: it ends '{shown}'",
                        number=number,
                        shown=shown,
                    ),
                )


def ends_with_newline(path: Path) -> bool:
    """Tell whether the last line of a file ends; an empty file has none."""
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) in (b"\n", b"\r")


SOURCE = SourceFormat(
    (".geojsonl", ".geojsons", ".ndjson", ".jsonl"),
    check=_check_json_lines,
    unread=unread_ids,
    mend=lambda path, layer: with_short_numbers,
    opens_safely=True,
)
