"""Layers whose files lie in the site's own folder, after that was moved or restored elsewhere."""

from __future__ import annotations

import logging
from pathlib import Path

from marinemap.catalogue import samples, uploads
from marinemap.catalogue.models import Layer, SourceLook, SourceToRead

logger = logging.getLogger(__name__)


def follow() -> list[str]:
    """Have layers read their samples and uploads where they lie now; return the layers' ids.

    Only those whose file is gone, and lies in this home under the name that nothing else has: the
    id of an upload, or a sample's own.
    """
    moved = set()
    for model in (Layer, SourceToRead):
        for pk, source in model._default_manager.values_list("pk", "source"):
            found = _place_now(source)
            rows = model._default_manager.filter(pk=pk, source=source)
            if found is not None and rows.update(source=str(found)):
                logger.warning("The data of layer %s are read where they lie now: %s", pk, found)
                moved.add(str(pk))
    for look in SourceLook.objects.filter(kind=SourceLook.Kind.UPLOAD).exclude(layers=None):
        _follow_upload(look)
    return sorted(moved)


def _follow_upload(look: SourceLook) -> None:
    known = look.layers or []
    places = [_place_now(each["source"]) for each in known]
    if any(places):
        pairs = zip(known, places, strict=True)
        layers = [{**each, "source": str(now or each["source"])} for each, now in pairs]
        SourceLook.objects.filter(pk=look.pk).update(layers=layers)


def _place_now(source: str) -> Path | None:
    """Return where a file of the site's folder lies that is not where it was."""
    place = uploads.place_in_home(source) or samples.place_in_home(source)
    if place is None or source == str(place) or Path(source).exists():
        return None
    return place if place.exists() else None
