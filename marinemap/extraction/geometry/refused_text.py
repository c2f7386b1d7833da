"""Why GEOS takes a text for no geometry, in words for whoever wrote it."""

from __future__ import annotations

from marinemap.errors import quote
from marinemap.sentences import Sentence, say


def why_no_geometry(error: Exception) -> Sentence | str:
    """Return the reason of an error of shapely's: of GEOS's own, what stands behind its name."""
    told = str(error)
    if "closed linestring" in told:
        return say("a ring does not end where it begins; write its first position again at its end")
    name, found, reason = told.partition(": ")
    return quote(reason if found and name.endswith("Exception") else told)
