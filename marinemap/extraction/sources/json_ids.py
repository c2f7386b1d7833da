"""Identifiers of GeoJSON's features that GDAL gives as no field (3.12): numbers from 0 on."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from marinemap.sentences import say

# One whose first feature is longer is not looked into.
_MOST_BYTES = 1 << 20
_FEATURES = re.compile(r'"features"\s*:\s*\[\s*(?=\{)')
_FIELD = "id"


def unread_ids(path: Path, layer: str, read: Collection[str]) -> str:
    """Return a sentence about identifiers that are numbers; "" where the first feature has none."""
    if _FIELD in read:
        return ""
    number = _first_feature(path).get(_FIELD)
    if type(number) is not int:
        return ""
    return say(
        "Identifiers of features of {file} are numbers (the first is {number}), which are not "
        "read: written as texts, or among the properties, they are a field.",
        file=path.name,
        number=str(number),
    )


def _first_feature(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        text = file.read(_MOST_BYTES).decode(errors="replace")
    listed = _FEATURES.search(text)
    begin = listed.end() if listed else text.find("{")
    try:
        found, _ = json.JSONDecoder().raw_decode(text, max(begin, 0))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
