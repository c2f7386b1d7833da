"""Sources that are given in the admin site: read by a process of the schedule.

In the web server a source of a gigabyte would hold up the site. What is to be done is derived: a
source that was given, and neither taken over nor refused, is to be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone

from marinemap.catalogue import begun, drawings
from marinemap.catalogue.area_names import check_field
from marinemap.catalogue.freshness import mark
from marinemap.catalogue.models import Layer, SourceToRead
from marinemap.catalogue.only_one import only_one
from marinemap.catalogue.reading import READ_FROM_DATA, read
from marinemap.errors import MarineMapError
from marinemap.extraction import is_address, list_layers, place_of

_GIVEN = ("source", "source_layer")
_NEW, _BEGUN = Q(attempts=0), Q(attempts__gt=0)
# One answer whatever is there: who may edit layers need not learn which files a server has.
_NO_DATA = "no map data can be read there; `manage.py addlayer` on the server says why"


def give(layer: Layer, source: str, source_layer: str, *, is_held: bool = False) -> None:
    """Have a source read for a layer, in place of one that waits; one that waits already stays.

    Parameters
    ----------
    layer : Layer
    source : str
        An absolute path, or an address of a table.
    source_layer : str
        The layer's name in it; may be empty where it holds one.
    is_held : bool
        Whether it is served only when somebody has looked at what was read.
    """
    given = {"source": source, "source_layer": source_layer}
    waiting = SourceToRead.objects.filter(pk=layer.pk, refusal="", **given)
    if is_held:
        # What was found is wanted as it is now.
        waiting = waiting.filter(is_held=True, found__isnull=True)
    if waiting.exists():
        return
    anew: dict[str, Any] = {"asked_at": timezone.now(), "attempts": 0, "refusal": ""}
    anew |= {"is_held": is_held, "found": None, "drawing": "", "drawing_message": ""}
    SourceToRead.objects.update_or_create(layer=layer, defaults=given | anew)


def withdraw(layer: Layer) -> None:
    """Forget what was to be read for a layer."""
    SourceToRead.objects.filter(pk=layer.pk).delete()


def discard(given: SourceToRead) -> bool:
    """Forget a source that was looked at; tell whether it was the one that is given still."""
    return bool(_same(given).delete()[0])


def is_any_waiting() -> bool:
    """Tell whether there is a source to be read that was not begun yet."""
    return _waiting(_NEW).exists()


def is_any_unfinished() -> bool:
    """Tell whether there is a source whose reading was begun and had no end."""
    return _waiting(_BEGUN).exists()


def read_waiting() -> Iterator[str]:
    """Read every source that waits and was not begun yet, and yield what became of each.

    One process of a site reads at a time; in another this yields nothing.
    """
    with only_one(_lock("")) as is_first:
        while is_first and (given := _waiting(_NEW).first()) is not None:
            _note_attempt(given)
            yield f"{given.layer_id}: {_read(given)}"


def read_unfinished() -> Iterator[str]:
    """Read what a process was at when it ended or was ended, and yield what became of each.

    Beside :func:`read_waiting`: a source that has no end would keep all others from being read.
    """
    with only_one(_lock("-again")) as is_first:
        while is_first and (given := _take_unfinished()) is not None:
            spent = given.attempts > begun.MOST_ATTEMPTS
            yield f"{given.layer_id}: {_refuse(given, begun.CUT_OFF) if spent else _read(given)}"


def _lock(which: str) -> Path:
    return Path(settings.MARINEMAP_HOME) / f".reading{which}"


def _take_unfinished() -> SourceToRead | None:
    # While nobody reads for the first time: what is being read looks like what had no end.
    with only_one(_lock("")) as is_nobody_reading:
        given = _waiting(_BEGUN).first() if is_nobody_reading else None
        if given is not None:
            _note_attempt(given)
    return given


def _waiting(which: Q) -> models.QuerySet[SourceToRead]:
    waiting = SourceToRead.objects.filter(which, refusal="", found__isnull=True)
    return waiting.select_related("layer").order_by("attempts", "asked_at")


def _note_attempt(given: SourceToRead) -> None:
    _same(given).update(attempts=F("attempts") + 1)
    given.attempts += 1


def _read(given: SourceToRead) -> str:
    found = Layer(id=given.layer_id)
    try:
        read(found, place_of(given.source), given.source_layer or None)
        if given.layer.area_names:
            check_field(found, given.layer.area_names)
    except MarineMapError as error:
        return _refuse(given, str(error), _shown(given, error))
    values = {name: getattr(found, name) for name in (*_GIVEN, *READ_FROM_DATA)}
    keep = _hold if given.is_held else _take_over
    if not keep(given, values):
        return "read, but another source was given meanwhile"
    held = ", and held until somebody has looked at it" * given.is_held
    return f"read, {found.feature_count:,} features{held}"


def serve_held(given: SourceToRead) -> bool:
    """Serve a layer from what was read and held; tell whether it was still wanted."""
    layer, held = given.to_layer(), given.found
    # Together: of a drawing that no row names the file is removed.
    with transaction.atomic():
        is_served = held is not None and _take_over(given, held)
        if is_served and given.drawing:
            drawings.put(layer, given.drawing, given.drawing_message)
    return is_served


def _hold(given: SourceToRead, values: dict[str, Any]) -> bool:
    return bool(_same(given).update(found=values))


def _take_over(given: SourceToRead, values: dict[str, Any]) -> bool:
    """Serve a layer from what was read, unless something else is wanted by now."""
    untroubled = {"trouble": "", "is_trouble_told": False, "updated_at": timezone.now()}
    with transaction.atomic():
        is_wanted = bool(_same(given).delete()[0])
        if is_wanted:
            Layer.objects.filter(pk=given.layer_id).update(**values, **untroubled)
    return is_wanted


def _refuse(given: SourceToRead, why: str, shown: str | None = None) -> str:
    layer = given.layer
    if (given.source, given.source_layer) == (layer.source, layer.source_layer):
        # The one that is served: the schedule looks at it again, and marks it as sound.
        mark(layer, why)
        _same(given).delete()
    else:
        _same(given).update(refusal=(shown or why)[:500])
    return f"refused: {why}"


def _same(given: SourceToRead) -> models.QuerySet[SourceToRead]:
    return SourceToRead.objects.filter(pk=given.pk, asked_at=given.asked_at)


def _shown(given: SourceToRead, error: MarineMapError) -> str:
    """Return why a source was refused; of a file that holds no layers nothing is told."""
    if is_address(given.source):
        return _NO_DATA
    try:
        list_layers(Path(given.source))
    except MarineMapError:
        return _NO_DATA
    return error.message
