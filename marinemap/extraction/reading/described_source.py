"""A layer of a request as its file holds it, with what whoever asks knows of it already."""

from __future__ import annotations

from dataclasses import replace

from marinemap.extraction.postgis.table import Table
from marinemap.extraction.reading.dataset import Dataset, KnownZones
from marinemap.extraction.reading.describe import describe
from marinemap.extraction.remote.address import Remote
from marinemap.extraction.request import SourceLayer
from marinemap.extraction.sources.first_look import take_for_sound
from marinemap.extraction.sources.source_files import real_path

# Where somebody waits for an answer.
ZONE_SECONDS = 1.0


def describe_source(layer: SourceLayer, is_hurried: bool = False) -> Dataset:
    """Read what a layer of a request holds; see :func:`describe`.

    Parameters
    ----------
    layer : SourceLayer
    is_hurried : bool
        Whether the zones of its moments may be sought for a second only, where the layer has a
        fingerprint and the file is in another state; without a fingerprint nobody else seeks them.
    """
    if layer.fingerprint and not isinstance(layer.path, Table):
        # Whoever found the mark has read the file in that state.
        place = layer.path.url if isinstance(layer.path, Remote) else real_path(layer.path)
        take_for_sound(place, layer.fingerprint)
    dataset = describe(layer.path, layer.layer)
    if not layer.fingerprint:
        return dataset
    zones = None if layer.zones is None else tuple(layer.zones.items())
    seconds = ZONE_SECONDS if is_hurried else None
    return replace(dataset, known_zones=KnownZones(layer.fingerprint, zones, seconds))
