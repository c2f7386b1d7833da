"""The layers that people may ask for, and what is kept of each."""

from marinemap.catalogue.models.begun_work import BegunWork
from marinemap.catalogue.models.drawing import Drawing
from marinemap.catalogue.models.layer import ID_PATTERN, Layer, LayerQuerySet, find_layer
from marinemap.catalogue.models.name_index import NamedArea, NameIndex, NamePhrase
from marinemap.catalogue.models.removed_layer import RemovedLayer, is_any_kept_from
from marinemap.catalogue.models.source_look import SourceLook
from marinemap.catalogue.models.source_to_read import SourceToRead

__all__ = [
    "ID_PATTERN",
    "BegunWork",
    "Drawing",
    "Layer",
    "LayerQuerySet",
    "NameIndex",
    "NamePhrase",
    "NamedArea",
    "RemovedLayer",
    "SourceLook",
    "SourceToRead",
    "find_layer",
    "is_any_kept_from",
]
