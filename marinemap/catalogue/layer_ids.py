"""Ids for layers, out of what their data are called."""

from __future__ import annotations

import re
import unicodedata

from marinemap.catalogue.models import ID_PATTERN, Layer

_MOST = 60


def suggest_id(name: str) -> str:
    """Return an id for a layer of some name that no layer has; empty where none can be made.

    Letters lose their accents; what has no letter in small ASCII is left out.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    base = re.sub(r"[^a-z0-9_]+", "-", plain)[:_MOST].strip("-_")
    if not re.fullmatch(ID_PATTERN, base):
        return ""
    known = set(Layer.objects.filter(pk__startswith=base).values_list("pk", flat=True))
    numbered = (f"{base}-{number}" for number in range(2, len(known) + 3))
    return next(name for name in (base, *numbered) if name not in known)
