"""A layer of a request as its file holds it, with what whoever asks knows of it already."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from marinemap.extraction.dataset import Dataset, KnownZones
from marinemap.extraction.postgis.table import Table
from marinemap.extraction.reading.describe import describe
from marinemap.extraction.remote.address import Remote
from marinemap.extraction.request import SourceLayer
from marinemap.extraction.sources.first_look import take_for_sound
from marinemap.extraction.sources.source_files import fingerprint, real_path

# Where somebody waits for an answer.
ZONE_SECONDS = 1.0


def describe_source(layer: SourceLayer, is_hurried: bool = False) -> Dataset:
    """Read what a layer of a request holds; see :func:`describe`.

    Parameters
    ----------
    layer : SourceLayer
    is_hurried : bool
        Whether somebody waits. Then what is known of the layer stands while its data are in the
        state of which it is known. Where they are in another, the zones of its moments may be
        sought for a second only; without a fingerprint nobody else seeks them.
    """
    if layer.fingerprint and not isinstance(layer.path, Table):
        # Whoever found the mark has read the file in that state.
        place = layer.path.url if isinstance(layer.path, Remote) else real_path(layer.path)
        take_for_sound(place, layer.fingerprint)
    known = _as_known(layer) if is_hurried else None
    dataset = known or describe(layer.path, layer.layer)
    if not layer.fingerprint:
        return dataset
    zones = None if layer.zones is None else tuple(layer.zones.items())
    seconds = ZONE_SECONDS if is_hurried else None
    return replace(dataset, known_zones=KnownZones(layer.fingerprint, zones, seconds))


def _as_known(layer: SourceLayer) -> Dataset | None:
    """Return what is known of a layer, unless its data are in another state by now."""
    if layer.known is None or fingerprint(layer.path) != layer.fingerprint:
        return None
    path = real_path(layer.path) if isinstance(layer.path, Path) else layer.path
    return replace(layer.known, path=path)
