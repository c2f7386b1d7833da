"""Features that a source states and GDAL does not give: named by why, or the source is cut."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from marinemap.errors import DatasetError
from marinemap.extraction.dataset import Dataset
from marinemap.extraction.postgis.table import Table
from marinemap.extraction.sources import source_format_of
from marinemap.sentences import say

Array = np.ndarray[Any, Any]
# Of a file, a layer and the ids that came: the ids that did not, and why.
Finder = Callable[[Path, str, Array], Mapping[int, str]]


def finder_of(dataset: Dataset) -> Finder | None:
    """Return what finds features that GDAL passes over; None where it passes over none."""
    if isinstance(dataset.path, Table):
        return None
    return source_format_of(dataset.path).passed_over


def passed_over(dataset: Dataset, count: int, find: Finder | None, ids: Array) -> Mapping[int, str]:
    """Return the features that were stated and did not come, by their ids, and why.

    Parameters
    ----------
    dataset : Dataset
    count : int
        How many came.
    find : callable, optional
        As ``finder_of`` returns it.
    ids : array of int
        Of those that came, where there is a finder.

    Raises
    ------
    DatasetError
        If these are not what the format is known to pass over.
    """
    found = find(dataset.file, dataset.layer, ids) if find else {}
    if count + len(found) != dataset.feature_count:
        raise miscounted(dataset.title, count, dataset.feature_count)
    return found


def miscounted(name: str, count: int, stated: int) -> DatasetError:
    """Return the error of a source that gives more or fewer features than it states."""
    return DatasetError(
        say(
            "{name} gives {count:,} features where {feature_count:,} are stated: it "
            "is cut or damaged; ask for a whole copy",
            name=name,
            count=count,
            feature_count=stated,
        ),
        field="source",
    )
