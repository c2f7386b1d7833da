"""Which features of a table are wanted, said in SQL; the server's own index finds them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from psycopg.sql import SQL, Composable, Identifier, Literal

from marinemap.extraction.postgis.begin import relation
from marinemap.extraction.postgis.columns import Shape, shape_of
from marinemap.extraction.postgis.condition import necessary
from marinemap.extraction.postgis.plan import plan_of
from marinemap.extraction.postgis.session import session
from marinemap.extraction.postgis.table import Table

Box = tuple[float, float, float, float]
Array = np.ndarray[Any, Any]
# A plan that is as many times off for all rows says nothing of some.
_FAR_OFF = 2


@dataclass(frozen=True)
class Condition:
    """Which features are wanted, in SQL.

    ``around``, where there is one, holds of all of them and is told at once of most others.
    """

    sql: Composable
    around: Composable = field(default_factory=lambda: SQL("true"))


@dataclass(frozen=True)
class TableIndex:
    """What an R-tree is to a file.

    ``also`` is a condition that holds of every feature that is wanted, if one can be said in SQL.
    """

    table: Table
    shape: Shape
    also: Composable | None = None

    @classmethod
    def of(cls, table: Table) -> TableIndex:
        """Look up a table.

        Raises
        ------
        DatasetError, UnavailableError
            If it is none that can be served, or its server is away.
        """
        with session(table) as opened:
            return cls(table, shape_of(opened, table))

    def narrowed(self, trees: Sequence[Any]) -> TableIndex:
        """Return the index without features that cannot pass some filters (CQL2 JSON)."""
        columns = {column.name: column for column in self.shape.fields}
        found = [each for tree in trees if (each := necessary(tree, columns))]
        return replace(self, also=SQL(" AND ").join(found)) if found else self

    def condition(self, boxes: Sequence[Box], most: int | None = None) -> Condition:
        """Return a condition for the features whose box touches one of the boxes.

        How many, the query says: ``most`` is that of files.
        """
        geometry = Identifier(self.shape.geometry.name)
        type_ = self.shape.geometry.type
        near = SQL(" OR ").join(_touching(geometry, type_, box) for box in boxes)
        found = SQL("({})").format(near)
        asked = found if self.also is None else SQL("{} AND ({})").format(found, self.also)
        return Condition(asked, _touching(geometry, type_, _around(boxes)))

    def condition_of(self, keys: Sequence[int]) -> Condition:
        """Return a condition for the features of these keys."""
        among = SQL("{} = ANY({}::int8[])")
        found = [int(key) for key in keys]
        return Condition(among.format(Identifier(self.shape.key), Literal(found)))

    def conditions(self, keys: Any, first: int = 0, end: int | None = None) -> Iterator[Condition]:
        """Yield nothing: no keys are gathered beforehand."""
        yield from ()

    def count_conditions(self, keys: Any) -> int:
        """Return 0, for the same reason."""
        return 0

    def keys_near(self, near: Any) -> None:
        """Return None: features are not sought by their boxes one by one."""

    def count(self, boxes: Sequence[Box]) -> int:
        """Return how many features the condition lets through."""
        return self._number("count(*)", self.condition(boxes).sql)

    def size(self) -> int:
        """Return how many features lie somewhere."""
        return self._number("count(*)", lies_somewhere(self.shape.geometry_sql()))

    def expect(self, boxes: Sequence[Box], bounds: Box | None, features: int) -> int:
        """Return about how many of so many features within bounds the condition lets through.

        As the server plans it, which takes a look at none of them; they are counted where it would
        be far off for all: its statistics are missing, or of other rows.
        """
        everywhere = replace(self, also=None)._planned([bounds]) if bounds else 0
        if not features / _FAR_OFF <= everywhere <= features * _FAR_OFF:
            return self.count(boxes)
        return min(features, self._planned(boxes))

    def bytes_each(self) -> float:
        """Return how large the geometry of a feature is, of some."""
        query = SQL(
            "SELECT avg(pg_column_size(g)) FROM (SELECT {} AS g FROM {} LIMIT 100) AS looked_at"
        )
        with session(self.table) as opened:
            ((size,),) = opened.rows(query.format(self.shape.geometry_sql(), relation(self.table)))
        return float(size or 0)

    def boxes(self, boxes: Sequence[Box], every: int = 1) -> tuple[Array, Array]:
        """Return the keys of features and their boxes (minx, miny, maxx, maxy), some of many."""
        query = SQL(
            "SELECT {key}, ST_XMin({g}), ST_YMin({g}), ST_XMax({g}), ST_YMax({g}) "
            "FROM {relation} WHERE {key} % {every} = 0 AND {condition}"
        ).format(
            key=Identifier(self.shape.key),
            g=self.shape.geometry_sql(),
            relation=relation(self.table),
            every=Literal(int(every)),
            condition=self.condition(boxes).sql,
        )
        with session(self.table) as opened:
            found = opened.rows(query)
        sound = np.array([row for row in found if row[1] is not None], dtype=object)
        sound = sound.reshape(-1, 5)
        return sound[:, 0].astype(np.int64), sound[:, 1:].astype(float)

    def after(self, box: Box | None, cursor: int, count: int, skip: int | None = None) -> Array:
        """Return the next keys behind one, at most so many; with ``skip`` passing over others."""
        key = Identifier(self.shape.key)
        query = SQL(
            "SELECT {key} FROM {relation} WHERE {key} > {cursor} AND {near} AND {also} "
            "ORDER BY {key} OFFSET {skip} LIMIT {count}"
        ).format(
            key=key,
            relation=relation(self.table),
            cursor=Literal(cursor),
            near=SQL("true") if box is None else self._near_or_nowhere(box),
            also=self.also or SQL("true"),
            skip=Literal(skip or 0),
            count=Literal(count),
        )
        with session(self.table) as opened:
            return np.array([int(key or 0) for (key,) in opened.rows(query)], np.int64)

    def _near_or_nowhere(self, box: Box) -> Composable:
        # What has no place matches (OGC 17-069r4, 7.15.3).
        geometry = self.shape.geometry_sql()
        return SQL("({} OR {} IS NULL OR ST_IsEmpty({}))").format(
            _touching(Identifier(self.shape.geometry.name), self.shape.geometry.type, box),
            geometry,
            geometry,
        )

    def _planned(self, boxes: Sequence[Box]) -> int:
        query = SQL("SELECT 1 FROM {} WHERE {}")
        with session(self.table) as opened:
            plan = plan_of(opened, query.format(relation(self.table), self.condition(boxes).sql))
        return int(plan["Plan Rows"])

    def _number(self, what: str, condition: Composable) -> int:
        query = SQL("SELECT {} FROM {} WHERE {}").format(SQL(what), relation(self.table), condition)
        with session(self.table) as opened:
            ((number,),) = opened.rows(query)
        return int(number or 0)


def lies_somewhere(geometry: Composable) -> Composable:
    """Return a condition for what has a place.

    What touches not even its own box, for a coordinate is no number, is never read.
    """
    return SQL("NOT ST_IsEmpty({geometry}) AND {geometry} && {geometry}").format(geometry=geometry)


def _around(boxes: Sequence[Box]) -> Box:
    west, south, east, north = zip(*boxes, strict=True)
    return min(west), min(south), max(east), max(north)


def _touching(geometry: Composable, type_: str, box: Box) -> Composable:
    """Return a condition that the index of a geometry answers; boxes have no SRID to it.

    A geography's has boxes of positions on the globe: each feature is looked at.
    """
    numbers = SQL(", ").join(Literal(float(number)) for number in box)
    cast = SQL("::geometry") if type_ == "geography" else SQL("")
    return SQL("{}{} && ST_MakeEnvelope({})").format(geometry, cast, numbers)
