"""Put a layer into the catalogue: read it, refuse what cannot be served, keep what it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import transaction

from marinemap.catalogue.area_names import check_field
from marinemap.catalogue.models import Layer
from marinemap.catalogue.new_sources import withdraw
from marinemap.catalogue.reading import READ_FROM_DATA, read
from marinemap.errors import RequestError
from marinemap.extraction import Place

# What is typed, or named by a file; all else is read from the data.
_TYPED = ("title", "theme", "licence", "attribution", "source", "source_layer", "area_names")


@dataclass(frozen=True)
class LayerText:
    """The words about a layer that no file holds; None keeps what the catalogue has."""

    title: str | None = None
    description: str | None = None
    theme: str | None = None
    licence: str | None = None
    attribution: str | None = None

    def given(self) -> dict[str, str]:
        """Return the words that were given."""
        return {name: text for name, text in vars(self).items() if text is not None}


def register(
    layer_id: str,
    source: Place,
    source_layer: str | None = None,
    text: LayerText | None = None,
    groups: Sequence[Group] | None = None,
    area_names: str | None = None,
) -> tuple[Layer, bool]:
    """Add a layer to the catalogue, or read a known one again.

    Parameters
    ----------
    layer_id : str
        Lower-case letters, digits, ``-`` and ``_``.
    source : Path, Table or Remote
        A vector file, a table of PostGIS, or a file on a server.
    source_layer : str, optional
        The layer's name in the file; may be left out where the file holds one layer.
    text : LayerText, optional
        Title and other words; the title of a new layer is its id unless given.
    groups : sequence of Group, optional
        The layer is for these only; without it a known layer stays as it is, a new one is for
        everyone.
    area_names : str, optional
        The field that names its polygons as areas; empty for none, without it as it was.

    Returns
    -------
    (Layer, bool)
        The saved layer, and whether it is new.

    Raises
    ------
    DatasetError
        If the id has another form, or the data cannot be served; see
        :func:`marinemap.extraction.describe`.
    RequestError
        If a text is longer than the catalogue keeps.
    """
    layer = Layer.objects.filter(pk=layer_id).first()
    is_new = layer is None
    layer = layer or Layer(id=layer_id, title=layer_id)
    read(layer, source, source_layer)
    words = (text or LayerText()).given()
    for name, value in words.items():
        setattr(layer, name, value)
    # Nothing else: to read takes a while, in which an administrator may have withdrawn it.
    changed = ["source", "source_layer", *READ_FROM_DATA, "updated_at", *words]
    if groups is not None:
        layer.is_restricted = True
        changed.append("is_restricted")
    if area_names is not None:
        layer.area_names = area_names
        changed.append("area_names")
    _check_lengths(layer)
    if layer.area_names:
        check_field(layer, layer.area_names)
    with transaction.atomic():
        withdraw(layer)
        layer.save(force_insert=is_new, update_fields=None if is_new else changed)
        if groups is not None:
            layer.groups.set(groups)
    return layer, is_new


def _check_lengths(layer: Layer) -> None:
    """Refuse words that the catalogue has no room for; SQLite would take them, PostgreSQL not."""
    others = {field.name for field in Layer._meta.fields} - {*_TYPED}
    try:
        layer.clean_fields(exclude=others)
    except ValidationError as error:
        name, messages = next(iter(error.message_dict.items()))
        raise RequestError(messages[0], field=name, value=getattr(layer, name)) from error
