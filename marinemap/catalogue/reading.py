"""Read into a layer what its data hold, and tell whether they are as they were."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path

import pyproj

from marinemap.catalogue.models import ID_PATTERN, Layer
from marinemap.errors import DatasetError, UnavailableError
from marinemap.extraction import (
    Dataset,
    Place,
    bounds_in_degrees,
    check_servable,
    content_version,
    counted,
    describe,
    find_zones,
    fingerprint,
    one_state,
)
from marinemap.sentences import say

_log = logging.getLogger(__name__)

# The columns of a layer that come from its data alone.
READ_FROM_DATA = (
    "crs",
    "geometry_type",
    "feature_count",
    "bounds",
    "bounds_4326",
    "fields",
    "zones",
    "version",
    "fingerprint",
)


def read(layer: Layer, source: Place, source_layer: str | None = None) -> None:
    """Read into a layer what a file holds, without saving it.

    Raises
    ------
    DatasetError
        As :func:`register` does.
    """
    if not re.fullmatch(ID_PATTERN, layer.pk):
        raise DatasetError(
            say(
                "a layer's id has lower-case letters, digits, '-' and '_' only, 63 at "
                "most, and starts with a letter or digit, because it names files"
            ),
            field="id",
            value=layer.pk,
        )
    layer.source = absolute(source)
    describe_into(layer, source_layer, _look)


def absolute(source: Place) -> str:
    """Return the path or address of a source as the catalogue keeps it.

    Raises
    ------
    DatasetError
        If it begins with the home of a user that does not exist.
    """
    if not isinstance(source, Path):
        return str(source)
    try:
        # Not resolved: who switches a link to newer data means the layer to follow.
        return str(source.expanduser().absolute())
    except RuntimeError as error:
        user = source.parts[0]
        raise DatasetError(
            say("nobody's home is {user}", user=user),
            field="source",
            value=user,
            hint=say("Give the whole path."),
        ) from error


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
    source, source_layer = layer.given_source
    found = Layer(id=layer.pk, source=source)
    describe_into(found, source_layer or None, _look)
    return found.version == layer.version


def is_as_read(layer: Layer) -> bool:
    """Tell whether the data of a layer are there, as they were when they were read."""
    try:
        return fingerprint(layer.path) == layer.fingerprint
    except (DatasetError, UnavailableError):
        return False


def _look(dataset: Dataset) -> None:
    """Refuse what cannot be served; tell what was assumed, and what extracts will be without."""
    lost = check_servable(dataset)
    if dataset.assumed:
        _log.warning("%s", dataset.assumed)
    if lost.count:
        _log.warning(
            "%s: %s cannot be read, and will be left out: %s",
            dataset.title,
            counted(lost.count),
            lost.ids_and_reasons,
        )


def describe_into(
    layer: Layer,
    source_layer: str | None,
    look: Callable[[Dataset], None] = lambda dataset: None,
) -> None:
    """Put into a layer what its data hold, without saving it.

    Parameters
    ----------
    layer : Layer
    source_layer : str, optional
    look : callable
        Looks whether it can be served, at the same state of the data.

    Raises
    ------
    DatasetError
        If the data cannot be read.
    """
    # The mark first: data that change while they are read get another mark, and are read again.
    layer.fingerprint = fingerprint(layer.path)
    with one_state(layer.path) as place:
        dataset = describe(place, source_layer)
        _keep(layer, dataset)
        look(dataset)


def _keep(layer: Layer, dataset: Dataset) -> None:
    layer.source_layer = dataset.layer
    layer.crs = dataset.crs
    layer.geometry_type = dataset.geometry_type
    _keep_extent(layer, dataset)
    layer.fields = [{"name": field.name, "type": field.type} for field in dataset.fields]
    layer.zones = dict(find_zones(dataset))
    layer.feature_count = dataset.feature_count
    layer.version = content_version(dataset.path)


def _keep_extent(layer: Layer, dataset: Dataset) -> None:
    layer.bounds = list(dataset.bounds) if dataset.bounds else None
    layer.bounds_4326 = _in_degrees(dataset)


def _in_degrees(dataset: Dataset) -> list[float] | None:
    if dataset.bounds is None:
        return None
    found = bounds_in_degrees(pyproj.CRS.from_user_input(dataset.crs), dataset.bounds)
    return list(found) if found else None
