"""Nautical charts (IHO S-57, edition 3.1) as sources: each object class is a layer."""

from __future__ import annotations

from pathlib import Path

from marinemap.extraction.sources.source import SourceFormat, damaged
from marinemap.sentences import say

_LEADER_BYTES = 24
# A sounding is a point with its depth, not one of a cloud; names are read in the letters that the
# chart declares. Which objects belong together, a light to its buoy, is in fields of their own.
_OPTIONS = {
    "SPLIT_MULTIPOINT": "ON",
    "ADD_SOUNDG_DEPTH": "ON",
    "RECODE_BY_DSSI": "ON",
    "LNAM_REFS": "ON",
}


def _parts(path: Path) -> list[Path]:
    """Return a chart and its updates, which GDAL applies: CHART.000, CHART.001 and so on."""
    beside = sorted(path.parent.glob(f"{path.stem}.[0-9][0-9][0-9]"))
    return [path, *(part for part in beside if part != path)]


def _check(path: Path) -> None:
    """Follow the records, each of which begins with its length (ISO/IEC 8211), to the end."""
    for part in _parts(path):
        size, at, number = part.stat().st_size, 0, 0
        with part.open("rb") as file:
            while at < size:
                number += 1
                file.seek(at)
                length = file.read(5)
                if not length.isdigit() or int(length) < _LEADER_BYTES or at + int(length) > size:
                    raise damaged(
                        part,
                        say(
                            "ends within record {number:,}, or states a wrong length", number=number
                        ),
                    )
                at += int(length)
        if number == 0:
            raise damaged(part, say("is empty"))


SOURCE = SourceFormat(
    (".000",),
    parts=_parts,
    check=_check,
    look=_check,
    # All soundings of one record.
    shares_ids=True,
    environment={"OGR_S57_OPTIONS": ",".join(f"{key}={value}" for key, value in _OPTIONS.items())},
)
