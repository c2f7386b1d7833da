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
from marinemap.extraction.sources.json_values import KEPT_IN_LINES, check_values, has_misread_time
from marinemap.extraction.sources.source import (
    SourceFormat,
    damaged,
    of_other_type,
    state_of,
)
from marinemap.extraction.sources.typed_texts import NEAR_MIDNIGHT, is_near_midnight
from marinemap.sentences import say

# Of a line.
_AROUND = b" \t\r\n\x1e"
_REMEMBERED = 256
_MISREAD = re.compile(b"|".join([*IMPOSSIBLE_DAYS_OF_JSON, NEAR_MIDNIGHT]))

_IS_MISREAD = {"date": is_impossible, "time": is_near_midnight}
_HINTS = {
    "date": say("Mend the value, or take it out."),
    "time": say("Times have milliseconds, and this rounds to midnight: write 23:59:59.999."),
}


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
    return partial(_without_misread, path) if has_misread_time(path) else with_short_numbers


def _without_misread(path: Path, rows: Any) -> Any:
    """Refuse a day that there is not in a field of days, a time that becomes midnight in one of
    times: here GDAL keeps no texts.
    """
    types = {
        **{field.name: "date" for field in rows.schema if pa.types.is_date(field.type)},
        **{field.name: "time" for field in rows.schema if pa.types.is_time(field.type)},
    }
    if types:
        _check(path, tuple(sorted(types.items())), state_of(path))
    return with_short_numbers(rows)


@lru_cache(_REMEMBERED)
def _check(path: Path, types: tuple[tuple[str, str], ...], state: object) -> None:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if _MISREAD.search(line) is None:
                continue
            found = json.loads(line.strip(_AROUND)).get("properties") or {}
            for name, type_name in types:
                value = found.get(name)
                if isinstance(value, str) and _IS_MISREAD[type_name](value):
                    raise of_other_type(path, number, name, value, type_name, _HINTS[type_name])


SOURCE = SourceFormat(
    (".geojsonl", ".geojsons", ".ndjson", ".jsonl"),
    check=_check_json_lines,
    unread=unread_ids,
    mend=_mend_of,
    opens_safely=True,
)
