"""Which fields of features are wanted, as OGC API - Features, Part 6 (draft 24-019) has it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from marinemap.api.features.spatial import geometry_name
from marinemap.catalogue.models import Layer
from marinemap.errors import RequestError, did_you_mean
from marinemap.extraction import Page
from marinemap.extraction.pages.rows import Features
from marinemap.sentences import say


@dataclass(frozen=True)
class Selection:
    """The fields that features are to have, in the layer's order, and whether a geometry."""

    fields: tuple[str, ...]
    has_geometry: bool

    def of(self, page: Page) -> Page:
        """Return a page with nothing else."""
        return dataclasses.replace(page, parts=[self._of_part(part) for part in page.parts])

    def schema_of(self, schema: Any) -> Any:
        """Return the pyarrow.Schema of what is left."""
        return pa.schema([schema.field(name) for name in self.fields])

    def _of_part(self, part: Features) -> Features:
        geometries = part.geometries if self.has_geometry else np.full(len(part), None, object)
        attributes = part.attributes.select(list(self.fields))
        return dataclasses.replace(part, geometries=geometries, attributes=attributes)


def select(layer: Layer, names: list[str] | None) -> Selection | None:
    """Return what is chosen of a layer's fields; None for all of them.

    Raises
    ------
    RequestError
        If the layer has no such field.
    """
    if names is None:
        return None
    geometry = geometry_name(layer)
    known = [field["name"] for field in layer.fields]
    for name in names:
        if name not in known and name != geometry:
            raise RequestError(
                say(
                    "layer '{layer}' has no field '{field}'.{nearest}",
                    layer=layer.pk,
                    field=name,
                    nearest=did_you_mean(name, [*known, geometry]),
                ),
                field="properties",
                value=name,
                hint=say("Its fields are listed at /queryables of the layer."),
            )
    return Selection(tuple(name for name in known if name in names), geometry in names)
