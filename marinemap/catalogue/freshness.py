"""Layers whose data change or go: read again, or marked, told of and refused."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils import timezone

from marinemap.catalogue.models import Layer
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
        describe_into(layer, layer.source_layer)
        read = {name: getattr(layer, name) for name in READ_FROM_DATA}
        # Nothing else: an administrator may have withdrawn or pointed it elsewhere meanwhile.
        Layer.objects.filter(pk=layer.pk, source=layer.source).update(
            **read, updated_at=timezone.now()
        )
    return layer


def is_any_changed() -> bool:
    """Tell whether the data of any layer changed since they were read, or are gone."""
    return any(
        layer.trouble or not is_as_read(layer) for layer in Layer.objects.served().iterator()
    )


def refresh_all() -> dict[str, str]:
    """Refresh every layer; return what is wrong, by id, with those that cannot be read.

    A layer is marked with it until it can be read again.
    """
    wrong = {}
    for layer in Layer.objects.served().iterator():
        try:
            refresh(layer)
        except (DatasetError, UnavailableError) as error:
            wrong[layer.pk] = str(error)
        mark(layer, wrong.get(layer.pk, ""))
    return wrong


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
    same = Layer.objects.filter(pk=layer.pk, source=layer.source)
    is_told = bool(trouble and layer.trouble) and layer.is_trouble_told
    same.update(trouble=trouble, is_trouble_told=is_told, updated_at=timezone.now())
