"""Put a layer into the catalogue: read it, refuse what cannot be served, keep what it holds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyproj
from django.contrib.auth.models import Group
from django.db import transaction
from django.utils import timezone

from marinemap.catalogue.area_names import check_field
from marinemap.catalogue.models import ID_PATTERN, Layer
from marinemap.errors import DatasetError, UnavailableError
from marinemap.extraction import Dataset, check_servable, content_version, describe, fingerprint

# The columns of a layer that come from its data alone.
READ_FROM_DATA = (
    "crs",
    "geometry_type",
    "feature_count",
    "bounds",
    "bounds_4326",
    "fields",
    "version",
    "fingerprint",
)


@dataclass(frozen=True)
class LayerText:
    """The words about a layer that no file holds; None keeps what the catalogue has."""

    title: str | None = None
    description: str | None = None
    licence: str | None = None
    attribution: str | None = None

    def given(self) -> dict[str, str]:
        """Return the words that were given."""
        return {name: text for name, text in vars(self).items() if text is not None}


def register(
    layer_id: str,
    source: Path,
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
    source : Path
        A vector file that GDAL reads.
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
    if layer.area_names:
        check_field(layer, layer.area_names)
    with transaction.atomic():
        layer.save(force_insert=is_new, update_fields=None if is_new else changed)
        if groups is not None:
            layer.groups.set(groups)
    return layer, is_new


def read(layer: Layer, source: Path, source_layer: str | None = None) -> None:
    """Read into a layer what a file holds, without saving it.

    Raises
    ------
    DatasetError
        As :func:`register` does.
    """
    if not re.fullmatch(ID_PATTERN, layer.pk):
        raise DatasetError(
            "a layer's id has lower-case letters, digits, '-' and '_' only, 63 at most, and "
            "starts with a letter or digit, because it names files",
            field="id",
            value=layer.pk,
        )
    # Not resolved: who switches a link to newer data means the layer to follow.
    layer.source = str(source.expanduser().absolute())
    check_servable(_describe(layer, source_layer))


def refresh(layer: Layer) -> Layer:
    """Read a layer again if its data changed since it was read last, and save what changed.

    Raises
    ------
    DatasetError
        If the data are gone or can no longer be served.
    """
    if fingerprint(layer.path) != layer.fingerprint:
        _describe(layer, layer.source_layer)
        read = {name: getattr(layer, name) for name in READ_FROM_DATA}
        # Nothing else: an administrator may have withdrawn or pointed it elsewhere meanwhile.
        Layer.objects.filter(pk=layer.pk, source=layer.source).update(
            **read, updated_at=timezone.now()
        )
    return layer


def look_again(layer: Layer) -> None:
    """Read the extent of a layer whose data changed, without saving it or hashing the data.

    Raises
    ------
    DatasetError
        If the data are gone or can no longer be served.
    """
    if fingerprint(layer.path) != layer.fingerprint:
        _keep_extent(layer, describe(layer.path, layer.source_layer))


def check(layer: Layer) -> bool:
    """Read a layer's data as to add it, saving nothing; tell whether they are as they were.

    Raises
    ------
    DatasetError
        If the data are gone or could not be added now.
    """
    found = Layer(id=layer.pk, source=layer.source)
    check_servable(_describe(found, layer.source_layer))
    return found.version == layer.version


def is_any_changed() -> bool:
    """Tell whether the data of any layer changed since they were read, or are gone."""
    return any(layer.trouble or not is_as_read(layer) for layer in Layer.objects.iterator())


def is_as_read(layer: Layer) -> bool:
    """Tell whether the data of a layer are there, as they were when they were read."""
    try:
        return fingerprint(layer.path) == layer.fingerprint
    except DatasetError:
        return False


def refresh_all() -> dict[str, str]:
    """Refresh every layer; return what is wrong, by id, with those that cannot be read.

    A layer is marked with it until it can be read again.
    """
    wrong = {}
    for layer in Layer.objects.iterator():
        try:
            refresh(layer)
        except DatasetError as error:
            wrong[layer.pk] = str(error)
        _mark(layer, wrong.get(layer.pk, ""))
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
        f"the data of {names} cannot be read now; whoever runs this site has been told",
        field="layers",
        value=troubled[0].pk,
        hint="Try again later, or choose other layers.",
    )


def take_untold_troubles() -> list[Layer]:
    """Return the layers of whose trouble nobody has been told yet, once."""
    untold = Layer.objects.filter(is_trouble_told=False).exclude(trouble="")
    return [
        layer
        for layer in untold
        if Layer.objects.filter(pk=layer.pk, is_trouble_told=False).update(is_trouble_told=True)
    ]


def _mark(layer: Layer, trouble: str) -> None:
    trouble = trouble[:500]
    if trouble == layer.trouble:
        return
    # Of another source since nothing is known.
    same = Layer.objects.filter(pk=layer.pk, source=layer.source)
    is_told = bool(trouble and layer.trouble) and layer.is_trouble_told
    same.update(trouble=trouble, is_trouble_told=is_told, updated_at=timezone.now())


def _describe(layer: Layer, source_layer: str | None) -> Dataset:
    # The mark first: data that change while they are read get another mark, and are read again.
    layer.fingerprint = fingerprint(layer.path)
    dataset = describe(layer.path, source_layer)
    layer.source_layer = dataset.layer
    layer.crs = dataset.crs
    layer.geometry_type = dataset.geometry_type
    _keep_extent(layer, dataset)
    layer.fields = [{"name": field.name, "type": field.type} for field in dataset.fields]
    layer.feature_count = dataset.feature_count
    layer.version = content_version(dataset.path)
    return dataset


def _keep_extent(layer: Layer, dataset: Dataset) -> None:
    layer.bounds = list(dataset.bounds) if dataset.bounds else None
    layer.bounds_4326 = _in_degrees(dataset)


def _in_degrees(dataset: Dataset) -> list[float] | None:
    if dataset.bounds is None:
        return None
    crs = pyproj.CRS.from_user_input(dataset.crs)
    mover = pyproj.Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)
    # The edges of a box bend; 51 points along each keep the result within the true box.
    west, south, east, north = mover.transform_bounds(*dataset.bounds, densify_pts=51)
    return [west, south, east, north]
