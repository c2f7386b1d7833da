"""A layer that GDAL does not read, as Arrow: the same questions and answers as of one that it does.

What is the same of all: how geometries and keys are marked, and what is asked by opening it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from marinemap.errors import DatasetError
from marinemap.sentences import say

# As GeoArrow marks geometries.
_MARK = {b"ARROW:extension:name": b"geoarrow.wkb"}
# No column's name has such a sign.
GEOMETRY_NAME, KEY_NAME = "\0geometry", "\0key"


@dataclass(frozen=True)
class Reader:
    """Batches and their schema, as pyogrio hands them on."""

    schema: Any
    _batches: Iterator[Any]

    def __iter__(self) -> Iterator[Any]:
        return self._batches


@dataclass(frozen=True)
class OwnLayer(ABC):
    """Opens features for reading.

    Parameters
    ----------
    place : Table, Path or Remote
    columns : sequence of str, optional
        The fields to read; all by default.
    with_geometry : bool
        Whether to read the geometries; else they are null.
    """

    place: Any
    columns: Sequence[str] | None = None
    with_geometry: bool = True

    @property
    def is_shapefile(self) -> bool:
        """Whether it is read from a shapefile."""
        return False

    @property
    @abstractmethod
    def title(self) -> str:
        """What to call it in a message."""

    @abstractmethod
    def open(self, wanted: Mapping[str, Any], most: int | None) -> AbstractContextManager[Any]:
        """Open some features as pyogrio does; their keys are in the last column."""

    def attributes(self, condition: Any) -> Any:
        """Return the attributes (pyarrow.Table) of the features that a condition holds for."""
        layer = replace(self, with_geometry=False)
        with layer.open({"where": condition}, None) as (_, reader):
            found = pa.Table.from_batches(reader, reader.schema)
            return found.drop_columns([GEOMETRY_NAME, KEY_NAME])

    def table_by_ids(self, wanted: Mapping[str, Any]) -> tuple[str, Any]:
        """Return the name of the column of keys, and features (pyarrow.Table) with them.

        Parameters
        ----------
        wanted : mapping
            As of ``open``; ``columns``, ``read_geometry`` and ``max_features`` as pyogrio has them.
        """
        layer = replace(
            self,
            columns=wanted.get("columns"),
            with_geometry=wanted.get("read_geometry", True),
        )
        with layer.open(wanted, wanted.get("max_features")) as (_, reader):
            return KEY_NAME, pa.Table.from_batches(reader, reader.schema)

    def unreadable(self, error: Exception) -> DatasetError:
        """Return what to say of a failure of Arrow."""
        return DatasetError(
            say("{title} cannot be read: {error}", title=self.title, error=error), field="source"
        )


def schema_of(fields: Iterable[tuple[str, Any]]) -> Any:
    """Return the schema (pyarrow) of fields, by names and types, then a geometry and a key."""
    geometry = pa.field(GEOMETRY_NAME, pa.binary(), metadata=_MARK)
    plain = [pa.field(name, type_) for name, type_ in fields]
    return pa.schema([*plain, geometry, pa.field(KEY_NAME, pa.int64())])
