"""Files of lines as sources: GeoJSON text sequences."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from marinemap.errors import quote
from marinemap.extraction.sources.impossible_days import IMPOSSIBLE_DAYS_OF_JSON, is_impossible
from marinemap.extraction.sources.json_ids import unread_ids
from marinemap.extraction.sources.json_numbers import with_short_numbers
from marinemap.extraction.sources.json_values import KEPT_IN_LINES, check_values, has_impossible_day
from marinemap.extraction.sources.source import (
    SourceFormat,
    damaged,
    of_other_type,
    state_of,
)
from marinemap.sentences import say

# Of a line.
_AROUND = b" \t\r\n\x1e"
_REMEMBERED = 256
_IMPOSSIBLE = re.compile(b"|".join(IMPOSSIBLE_DAYS_OF_JSON))


def _check_json_lines(path: Path) -> None:
    """GDAL passes over a line that is no JSON; each ends with a brace and a line break."""
    check_values(path, KEPT_IN_LINES)
    if not ends_with_newline(path):
        raise damaged(path, say("does not end with a line break"))
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            plain = line.strip(_AROUND)
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


def _mend_of(path: Path, layer: str) -> Callable[[Any], Any]:
    return partial(_without_made_up_days, path) if has_impossible_day(path) else with_short_numbers


def _without_made_up_days(path: Path, rows: Any) -> Any:
    """Refuse a day that there is not, in a field of days: here GDAL keeps no texts."""
    days = frozenset(field.name for field in rows.schema if pa.types.is_date(field.type))
    if days:
        _check_days(path, days, state_of(path))
    return with_short_numbers(rows)


@lru_cache(_REMEMBERED)
def _check_days(path: Path, names: frozenset[str], state: object) -> None:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if _IMPOSSIBLE.search(line) is None:
                continue
            found = json.loads(line.strip(_AROUND)).get("properties") or {}
            for name in sorted(names & found.keys()):
                if isinstance(found[name], str) and is_impossible(found[name]):
                    hint = say("Mend the value, or take it out.")
                    raise of_other_type(path, number, name, found[name], "date", hint)


SOURCE = SourceFormat(
    (".geojsonl", ".geojsons", ".ndjson", ".jsonl"),
    check=_check_json_lines,
    unread=unread_ids,
    mend=_mend_of,
    opens_safely=True,
)
