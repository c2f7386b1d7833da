"""What is to be drawn, and which comes next.

Derived: a layer whose drawing is not of its present data, or whose file is gone, and data that are
held and have none. The smallest come first, so that a large one keeps few from their turn; last
come those whose drawing was begun and had no end, the one of longest ago first: it may have none
again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from marinemap.catalogue import begun
from marinemap.catalogue.models import BegunWork, Drawing, Layer, SourceToRead

# Changes with the way of drawing, so that all is drawn again after an upgrade of it.
_WAY = "6"


def find_next() -> Layer | SourceToRead | None:
    """Return the layer that is to be drawn next, or the data that are held for one."""
    found: list[tuple[int, Layer | SourceToRead]] = [*_new_layers(), *_new_held()]
    new = sorted(found, key=lambda each: each[0])
    return new[0][1] if new else next(_cut_off(), None)


def key_of(layer: Layer) -> str:
    """Return what names a drawing of a layer's present data."""
    # The version is the file's; another layer of the same file is another picture.
    place = f"{_WAY}\0{layer.source}\0{layer.source_layer}"
    return f"{layer.pk}-{layer.version}-{hashlib.sha256(place.encode()).hexdigest()[:8]}"


def state_of(given: SourceToRead) -> str:
    """Return what names the data that are held."""
    return given.asked_at.isoformat()


def drawing_folder() -> Path:
    """Return where the files of drawings lie."""
    return Path(settings.MARINEMAP_HOME) / "drawings"


def _new_layers() -> Iterator[tuple[int, Layer]]:
    # Of one that is done the file may be gone: removed for room, or not in a backup.
    there = {"", *(file.name for file in drawing_folder().glob("*.p*"))}
    rows = Drawing.objects.values_list("layer_id", "key", "file", "is_finished")
    begun_ = {(pk, key) for pk, key, file, is_done in rows if file in there or not is_done}
    layers = Layer.objects.served().order_by("feature_count")
    found = next((layer for layer in layers if (layer.pk, key_of(layer)) not in begun_), None)
    if found is not None:
        yield found.feature_count, found


def _new_held() -> Iterator[tuple[int, SourceToRead]]:
    for given in _held():
        if not begun.is_begun(given.pk, begun.Kind.HELD_DRAWING, state_of(given)):
            yield given.to_layer().feature_count, given


def _held() -> list[SourceToRead]:
    undrawn = SourceToRead.objects.filter(found__isnull=False, drawing_message="")
    return list(undrawn.select_related("layer").order_by("asked_at"))


def _cut_off() -> Iterator[Layer | SourceToRead]:
    unfinished = Drawing.objects.filter(is_finished=False).values_list("layer_id", flat=True)
    layers = Layer.objects.served().in_bulk(unfinished)
    held = {given.pk: given for given in _held()}
    for work in begun.find_due(begun.Kind.DRAWING, begun.Kind.HELD_DRAWING):
        of_kind = layers if work.kind == begun.Kind.DRAWING else held
        if (found := of_kind.get(work.layer_id)) is not None:
            yield found
    # Begun by a version that took no note of it.
    noted = set(
        BegunWork.objects.filter(kind=begun.Kind.DRAWING).values_list("layer_id", flat=True)
    )
    yield from (layer for layer in layers.values() if layer.pk not in noted)
