"""Layers whose data change or go: read again, or marked, told of and refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.utils import timezone

from marinemap.catalogue import begun
from marinemap.catalogue.models import BegunWork, Layer, LayerQuerySet
from marinemap.catalogue.reading import READ_FROM_DATA, describe_into, is_as_read
from marinemap.errors import DatasetError, UnavailableError
from marinemap.extraction import fingerprint
from marinemap.sentences import say


def refresh(layer: Layer) -> Layer:
    """Read a layer again if its data changed since it was read last, and save what changed.

    Raises
    ------
    DatasetError
        If the data are gone or can no longer be served.
    """
    if fingerprint(layer.path) != layer.fingerprint:
        # Somebody may have pointed it elsewhere meanwhile, such as at another layer of the file,
        # or had it read: what was read here is of neither.
        same = _same(layer).filter(fingerprint=layer.fingerprint)
        describe_into(layer, layer.source_layer)
        read = {name: getattr(layer, name) for name in READ_FROM_DATA}
        # Nothing else: an administrator may have withdrawn it.
        same.update(**read, updated_at=timezone.now())
    return layer


def is_any_changed() -> bool:
    """Tell whether the data of any layer changed since they were read, or are gone."""
    return any(
        layer.trouble or not is_as_read(layer) for layer in Layer.objects.served().iterator()
    )


def refresh_all() -> Iterator[tuple[str, str]]:
    """Refresh every layer whose data changed; yield of all the id, and what is wrong with it.

    A layer is marked with that until it can be read again. What was begun before and had no end is
    left to :func:`refresh_unfinished`, and marked once that has given it up. Those that are marked
    come last: their server may be mute. One process of a site is about it at a time.
    """
    with begun.first_turn() as is_first:
        for layer in (
            Layer.objects.served().order_by("trouble", "feature_count") if is_first else ()
        ):
            state = _state_of(layer)
            if begun.is_begun(layer.pk, begun.Kind.DATA, state):
                yield layer.pk, _mark_given_up(layer, state)
            elif layer.trouble or state != layer.fingerprint:
                yield layer.pk, _refresh_and_mark(layer, state)
            else:
                yield layer.pk, ""


def refresh_unfinished() -> Iterator[tuple[str, str]]:
    """Refresh what a process was at when it ended or was ended; yield as :func:`refresh_all`."""
    with begun.later_turn() as is_first:
        while is_first and (due := _unfinished()):
            layer = Layer.objects.get(pk=due[0].layer_id)
            yield layer.pk, _refresh_and_mark(layer, _state_of(layer))


def is_any_unfinished() -> bool:
    """Tell whether there is a layer whose data are to be read again beside the others."""
    return bool(_unfinished())


def _unfinished() -> list[BegunWork]:
    return begun.find_due(begun.Kind.DATA, ago=begun.SURELY_ENDED)


def _refresh_and_mark(layer: Layer, state: str) -> str:
    wrong = ""
    try:
        with begun.noted(layer.pk, begun.Kind.DATA, state):
            refresh(layer)
    except (DatasetError, UnavailableError) as error:
        wrong = str(error)
    mark(layer, wrong)
    return wrong


def _mark_given_up(layer: Layer, state: str) -> str:
    # One that is being read just now may come to an end.
    with begun.later_turn() as is_nobody:
        if is_nobody and begun.is_given_up(layer.pk, begun.Kind.DATA, state):
            mark(layer, begun.CUT_OFF)
            return begun.CUT_OFF
    return layer.trouble


def _state_of(layer: Layer) -> str:
    """Return the fingerprint of a layer's data, nothing where they are gone."""
    try:
        return fingerprint(layer.path)
    except (DatasetError, UnavailableError):
        return ""


def check_readable(layers: Sequence[Layer]) -> None:
    """Refuse a request of which no layer can be read, by what the schedule found and the files.

    Where one of several can be read, that is delivered, and the others are told of.

    Raises
    ------
    UnavailableError
    """
    troubled = [layer for layer in layers if layer.trouble and not is_as_read(layer)]
    if not troubled or len(troubled) < len(layers):
        return
    names = ", ".join(f"'{layer.pk}'" for layer in troubled)
    raise UnavailableError(
        say(
            "the data of {names} cannot be read now; whoever runs this site has been told",
            names=names,
        ),
        field="layers",
        value=troubled[0].pk,
        hint=say("Try again later, or choose other layers."),
    )


def take_untold_troubles() -> list[Layer]:
    """Return the layers of whose trouble nobody has been told yet, once."""
    untold = Layer.objects.filter(is_trouble_told=False).exclude(trouble="")
    return [
        layer
        for layer in untold
        if Layer.objects.filter(pk=layer.pk, is_trouble_told=False).update(is_trouble_told=True)
    ]


def mark(layer: Layer, trouble: str) -> None:
    """Write down why the data of a layer cannot be read; nothing where they can."""
    trouble = trouble[:500]
    if trouble == layer.trouble:
        return
    # Of another source since nothing is known.
    is_told = bool(trouble and layer.trouble) and layer.is_trouble_told
    _same(layer).update(trouble=trouble, is_trouble_told=is_told, updated_at=timezone.now())


def _same(layer: Layer) -> LayerQuerySet:
    """Return the layer's row while it is served from where it was."""
    return Layer.objects.filter(pk=layer.pk, source=layer.source, source_layer=layer.source_layer)
