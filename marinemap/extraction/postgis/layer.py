"""A table as Arrow: the same questions and answers as of a file that GDAL reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from psycopg.sql import SQL, Composable, Identifier, Literal

from marinemap.errors import DatasetError
from marinemap.extraction.own_layer import OwnLayer, Reader, schema_of
from marinemap.extraction.postgis.begin import relation
from marinemap.extraction.postgis.columns import Column, Kind, Shape, shape_of
from marinemap.extraction.postgis.index import Condition, TableIndex
from marinemap.extraction.postgis.plan import can_spare_sorting
from marinemap.extraction.postgis.rows import batches
from marinemap.extraction.postgis.session import Session, session
from marinemap.extraction.postgis.table import Table
from marinemap.sentences import say

_KEY = Kind("{}::int8", ">i8", pa.int64(), "int64")
_GEOMETRY = Kind("ST_AsBinary({}, 'NDR')", None, pa.binary(), "bytes")


@dataclass(frozen=True)
class TableLayer(OwnLayer):
    """Opens a table's features for reading."""

    place: Table

    def stream(self, wanted: Mapping[str, Any]) -> Iterator[Any]:
        """Yield Arrow's batches in the order of the keys, one without rows while there are none.

        Raises
        ------
        DatasetError
            If two features have one key, or the table cannot be read.
        UnavailableError
            If the server is away.
        """
        asked = self._condition(wanted)
        order = SQL("ORDER BY {}").format(_key_of(self._shape))
        with session(self.place) as opened:
            query = self._query(self._quickest(opened, asked, order), order)
            with self._copied(opened, query) as found:
                yield from _in_order(found, self.title)

    def _quickest(self, opened: Session, asked: Condition, order: Composable) -> Composable:
        """Return a condition for the same features, with which the first come soonest."""
        # Rows as they are: what is made of them costs the same in any order.
        rows = SQL("SELECT * FROM {} AS features WHERE {} {}")
        found, around = (
            rows.format(relation(self.place), each, order) for each in (asked.sql, asked.around)
        )
        if not can_spare_sorting(opened, found, around):
            return asked.sql
        # All rows are looked at: most lie outside of the one box, so it comes first.
        return SQL("{} AND {}").format(asked.around, asked.sql)

    @contextmanager
    def open(self, wanted: Mapping[str, Any], most: int | None) -> Iterator[Any]:
        """Open some features as pyogrio does, at most so many, whichever are found first.

        They are those of a condition (``where``), those whose box touches another (``bbox``), or
        those of some keys (``fids``). Their keys are in the last column.

        Raises
        ------
        DatasetError, UnavailableError
            As ``stream`` does.
        """
        limit = SQL("LIMIT {}").format(Literal(most))
        query = self._query(self._condition(wanted).sql, limit)
        with session(self.place) as opened, self._copied(opened, query) as found:
            yield {}, Reader(self._schema, (batch for batch in found if batch.num_rows))

    @property
    def title(self) -> str:
        """What to call it in a message."""
        return f"layer '{self.place.layer}' of the {self.place.name}"

    def _query(self, condition: Composable, order: Composable) -> Composable:
        shape = self._shape
        asked = SQL(_GEOMETRY.sql) if self.with_geometry else SQL("NULL::bytea")
        geometry = asked.format(shape.geometry_sql())
        key = SQL(_KEY.sql).format(Identifier(shape.key))
        return SQL("SELECT {} FROM {} AS features WHERE {} {}").format(
            SQL(", ").join([*(column.asked() for column in self._columns), geometry, key]),
            relation(self.place),
            condition,
            order,
        )

    @contextmanager
    def _copied(self, opened: Session, query: Composable) -> Iterator[Iterator[Any]]:
        kinds = [*(column.kind for column in self._columns), _GEOMETRY, _KEY]
        with (
            closing(opened.copy(query)) as messages,
            closing(batches(messages, kinds, self._schema, self.title)) as found,
        ):
            yield found

    def _condition(self, wanted: Mapping[str, Any]) -> Condition:
        index = TableIndex(self.place, self._shape)
        if "where" in wanted:
            condition: Condition = wanted["where"]
            return condition
        if "bbox" in wanted:
            return index.condition([wanted["bbox"]])
        return index.condition_of(wanted["fids"]) if "fids" in wanted else Condition(SQL("true"))

    @cached_property
    def _shape(self) -> Shape:
        with session(self.place) as opened:
            return shape_of(opened, self.place)

    @cached_property
    def _columns(self) -> list[Column]:
        every = self._shape.fields
        return [c for c in every if self.columns is None or c.name in self.columns]

    @cached_property
    def _schema(self) -> Any:
        return schema_of((column.name, column.kind.arrow) for column in self._columns)


def _key_of(shape: Shape) -> Composable:
    # An answer's column may have the same name.
    return Identifier("features", shape.key)


def _in_order(found: Iterator[Any], title: str) -> Iterator[Any]:
    """Refuse keys that do not rise: nobody could tell the features apart."""
    last = None
    for batch in found:
        keys = batch.column(batch.num_columns - 1)
        numbers = np.asarray(keys.fill_null(0))
        before = numbers[:0] if last is None else np.array([last])
        rises = (np.diff(np.concatenate([before, numbers])) > 0).all()
        if keys.null_count or not rises:
            raise DatasetError(
                say("the column of keys of {title} has a number twice, or none", title=title),
                field="source",
                hint=say("Name another in the layer's address: &key=column."),
            )
        last = int(numbers[-1]) if len(numbers) else last
        yield batch
