"""By which a feature is found: GDAL's identifier or, where features share one, its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from marinemap.extraction.dataset import Dataset
from marinemap.extraction.sources import source_format_of

Array = np.ndarray[Any, Any]


def are_places(dataset: Dataset) -> bool:
    """Tell whether a feature's id is its place in the layer, counted from 0."""
    place = dataset.path
    return isinstance(place, Path) and source_format_of(place).shares_ids


def numbered(rows: Any, id_name: str, first: int) -> Any:
    """Return features (Arrow) with their places for ids; the first of them stands at ``first``."""
    places = pa.array(np.arange(first, first + rows.num_rows))
    return rows.set_column(rows.schema.get_field_index(id_name), id_name, places)


def span_of(places: Array, feature_count: int) -> tuple[int, int]:
    """Return the first of some places and how many there are to the last; those that exist."""
    there = places[(places >= 0) & (places < feature_count)]
    return (int(there.min()), int(np.ptp(there)) + 1) if len(there) else (0, 1)
