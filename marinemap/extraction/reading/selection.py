"""Which fields and features of a layer are wanted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from marinemap.errors import RequestError, did_you_mean, quote
from marinemap.extraction.filters.filter import Filter, compile_filter
from marinemap.extraction.reading.arrow_batches import Batch
from marinemap.extraction.reading.described_source import describe_source
from marinemap.extraction.reading.read import open_source
from marinemap.extraction.request import SourceLayer
from marinemap.sentences import say

_NOWHERE = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Selection:
    """The fields to keep, in the source's order, and a filter, if any."""

    schema: Any
    filter: Filter | None

    @classmethod
    def of(cls, layer: SourceLayer, schema: Any) -> Selection:
        """Check what a layer's request chooses against its fields (pyarrow.Schema).

        Raises
        ------
        RequestError
            If a field is unknown, or the filter is not sound.
        """
        chosen = set(schema.names if layer.fields is None else layer.fields)
        for name in sorted(chosen - set(schema.names)):
            listed = ", ".join(f"'{known}'" for known in schema.names)
            raise RequestError(
                say(
                    "no field '{name}' in '{layer_name}'; there are {listed}.{nearest}",
                    name=quote(name),
                    layer_name=layer.name,
                    listed=listed,
                    nearest=did_you_mean(quote(name), schema.names),
                ),
                field="fields",
                value=name,
            )
        kept = pa.schema([field for field in schema if field.name in chosen])
        return cls(kept, _filter(layer, schema))

    @property
    def columns(self) -> list[str]:
        """The fields to read: those kept and those that the filter looks at."""
        needed = self.filter.fields if self.filter else ()
        return [*self.schema.names, *(name for name in needed if name not in self.schema.names)]

    def pick(self, batch: Batch) -> Batch:
        """Return the features that pass, with the fields that are kept."""
        if self.filter:
            passes = self.filter.passes(batch.attributes)
            batch = replace(
                batch,
                geometries=batch.geometries.filter(passes),
                attributes=batch.attributes.filter(passes),
                ids=batch.ids[np.asarray(passes)],
            )
        return replace(batch, attributes=batch.attributes.select(self.schema.names))


def check_selection(layer: SourceLayer) -> None:
    """Refuse fields or a filter that a layer cannot give; opens the source if there are any.

    Raises
    ------
    RequestError
        If a field is unknown, or the filter is not sound.
    DatasetError
        If the source is missing, broken or unreadable.
    UnavailableError
        If it changed in a way that takes long to see.
    """
    if layer.fields is None and layer.filter is None:
        return
    dataset = describe_source(layer, is_hurried=True)
    Selection.of(layer, open_source(dataset, [dataset.bounds or _NOWHERE]).schema())


def _filter(layer: SourceLayer, schema: Any) -> Filter | None:
    if layer.filter is None:
        return None
    try:
        return compile_filter(layer.filter, schema)
    except RequestError as error:
        raise RequestError(
            say("in '{layer}': {message}", layer=layer.name, message=error.message),
            field=error.field,
            value=error.value,
        ) from error
