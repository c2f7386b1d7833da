"""The drawings of the layers: made by a process of their own, served as files.

What is to be drawn, and in which order, :mod:`marinemap.catalogue.undrawn` tells.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from django.utils import timezone

from marinemap.catalogue import begun, undrawn
from marinemap.catalogue.models import Drawing, Layer, SourceToRead
from marinemap.catalogue.only_one import only_one
from marinemap.catalogue.undrawn import drawing_folder
from marinemap.errors import MarineMapError
from marinemap.extraction.tiles import Drawing as Drawn
from marinemap.extraction.tiles import draw

_REPORT_EVERY_SECONDS = 1.0
# A file may be put in place a moment before its row names it.
_GRACE_SECONDS = 600
# Told whenever a drawing has come on.
Alive = Callable[[], object]


class _OvertakenError(MarineMapError):
    """What is being drawn is not what the layer's row is about any more; nobody reads it."""


def draw_missing(alive: Alive = lambda: None) -> Iterator[str]:
    """Draw every layer that has no drawing of its present data; yield what became of each.

    One process of a site draws at a time; in another this yields nothing.

    Parameters
    ----------
    alive : callable
        Called before each drawing, and whenever one has come on.
    """
    with only_one(drawing_folder() / ".drawing") as is_first:
        while is_first and (found := undrawn.find_next()) is not None:
            alive()
            told = _draw(found, alive) if isinstance(found, Layer) else _draw_held(found, alive)
            yield f"{found.pk}: {told}"


def progress_of(layer: Layer, drawing: Drawing | None) -> int | None:
    """Return how far the drawing of a layer's present data is, percent; None once it is done."""
    if drawing is None or drawing.key != undrawn.key_of(layer):
        return 0
    return None if drawing.is_finished else drawing.progress


def open_drawing(layer: Layer, name: str) -> BinaryIO | None:
    """Open a layer's drawing for reading; None if it has none of that name, or none any more."""
    drawing = Drawing.objects.filter(pk=layer.pk, file=name).first()
    try:
        # The name is the row's own: what a client sent names no file.
        return (drawing_folder() / drawing.file).open("rb") if drawing and drawing.file else None
    except FileNotFoundError:
        return None


def open_held(given: SourceToRead) -> BinaryIO | None:
    """Open the drawing of data that are held; None if they have none."""
    try:
        return (drawing_folder() / given.drawing).open("rb") if given.drawing else None
    except FileNotFoundError:
        return None


def put(layer: Layer, file: str, message: str) -> None:
    """Have a drawing of a layer's present data, which was made before they were served."""
    done = {"progress": 100, "is_finished": True}
    values = {"key": undrawn.key_of(layer), "file": file, "message": message, **done}
    Drawing.objects.update_or_create(pk=layer.pk, defaults=values)


def remove_stale() -> list[str]:
    """Remove the files that no drawing names any more; return their names."""
    # In this order: what is held becomes the layer's while this looks.
    named = set(SourceToRead.objects.exclude(drawing="").values_list("drawing", flat=True))
    named |= set(Drawing.objects.exclude(file="").values_list("file", flat=True))
    files = drawing_folder().glob("*.p*") if drawing_folder().is_dir() else ()
    stale = [file for file in files if file.name not in named and _is_old(file)]
    for file in stale:
        file.unlink(missing_ok=True)
    return [file.name for file in stale]


def _draw(layer: Layer, alive: Alive) -> str:
    drawing = _begun(layer)
    name = f"{drawing.key}.pmtiles"
    try:
        with begun.noted(layer.pk, begun.Kind.DRAWING, drawing.key):
            drawn = draw(
                layer.to_source(),
                drawing_folder() / name,
                work_folder=drawing_folder(),
                progress=_Report(drawing, alive),
                on_first_picture=lambda low: _note(drawing, file=low.name),
            )
        file, told = name if drawn.tiles else "", _told(drawn)
        _note(drawing, file=file, progress=100, message=told, is_finished=True)
    except _OvertakenError:
        return "left, for it is gone or has another drawing by now"
    except MarineMapError as error:
        told = f"Not drawn: {error}"
        # Finished, so that it is not tried again until the data are others.
        _update(drawing, message=told, is_finished=True)
    return told


def _begun(layer: Layer) -> Drawing:
    drawing, _ = Drawing.objects.get_or_create(pk=layer.pk)
    drawing.key = undrawn.key_of(layer)
    drawing.progress, drawing.message, drawing.is_finished = 0, "Reading", False
    drawing.save(update_fields=["key", "progress", "message", "is_finished", "updated_at"])
    return drawing


def _told(drawn: Drawn) -> str:
    if not drawn.tiles:
        return "Nothing to draw"
    return f"Drawn: {drawn.tiles:,} tiles to zoom {drawn.top_zoom}, {drawn.size_bytes:,} bytes"


def _draw_held(given: SourceToRead, alive: Alive) -> str:
    """Draw data that are held under the name that the layer's drawing has when they are served."""
    layer = given.to_layer()
    name = f"{undrawn.key_of(layer)}.pmtiles"

    def note(fraction: float, message: str) -> None:
        alive()

    try:
        with begun.noted(layer.pk, begun.Kind.HELD_DRAWING, undrawn.state_of(given)):
            folder = drawing_folder()
            drawn = draw(layer.to_source(), folder / name, work_folder=folder, progress=note)
        made = {"drawing": name if drawn.tiles else "", "drawing_message": _told(drawn)}
    except MarineMapError as error:
        made = {"drawing_message": f"Not drawn: {error}"}
    # Another source may have been given meanwhile.
    SourceToRead.objects.filter(pk=given.pk, asked_at=given.asked_at).update(**made)
    return made["drawing_message"]


class _Report:
    """Keeps how far a drawing has come, once a second."""

    def __init__(self, drawing: Drawing, alive: Alive) -> None:
        self._drawing = drawing
        self._alive = alive
        self._last = float("-inf")

    def __call__(self, fraction: float, message: str) -> None:
        self._alive()
        if time.monotonic() - self._last >= _REPORT_EVERY_SECONDS:
            self._last = time.monotonic()
            _note(self._drawing, progress=min(99, int(fraction * 100)), message=message)


def _note(drawing: Drawing, **values: object) -> None:
    """Write how a drawing is, or end it if nobody waits for it any more."""
    if not _update(drawing, **values):
        raise _OvertakenError(drawing.key)


def _update(drawing: Drawing, **values: object) -> bool:
    # The row of a layer that was deleted meanwhile does not come back, and one that was given
    # another drawing since keeps that.
    same = Drawing.objects.filter(pk=drawing.pk, key=drawing.key)
    return bool(same.update(**values, updated_at=timezone.now()))


def _is_old(file: Path) -> bool:
    try:
        return time.time() - file.stat().st_mtime > _GRACE_SECONDS
    except FileNotFoundError:
        return False
