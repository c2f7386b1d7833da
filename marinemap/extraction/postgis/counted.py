"""How many rows a table has, where they lie, and in which CRS: one look at all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from psycopg.sql import SQL, Composable, Literal

from marinemap.extraction.postgis.begin import relation
from marinemap.extraction.postgis.columns import Shape
from marinemap.extraction.postgis.index import lies_somewhere
from marinemap.extraction.postgis.session import Session
from marinemap.extraction.postgis.table import Table

Bounds = tuple[float, float, float, float]
Array = np.ndarray[Any, Any]

_ALL = """
SELECT count(*), count(*) FILTER (WHERE {placed}), min(ST_SRID(g)), max(ST_SRID(g)), {box}
  FROM (SELECT {geometry} AS g FROM {relation}) AS all_rows
"""
# ST_Extent reads every corner; the box that a geometry carries tells most of them to be within.
_EDGES = """
SELECT count(*), count(*) FILTER (WHERE CASE WHEN {within} THEN g && g ELSE {placed} END),
       {srid}::int, {srid}::int, {box}
  FROM (SELECT {geometry} AS g FROM {relation}) AS all_rows
"""
_BOX = "ST_XMin({e}), ST_YMin({e}), ST_XMax({e}), ST_YMax({e})"
_EXTENT = "ST_Extent(g)"
_EXTENT_OF = "ST_Extent(g) FILTER (WHERE {which})"
# One at infinity stretches the extent of all.
_FINITE = (
    "abs(ST_XMin(g)) + abs(ST_XMax(g)) + abs(ST_YMin(g)) + abs(ST_YMax(g)) < 'Infinity'::float8"
)
# Of the index, or of statistics: it need not hold.
_ESTIMATED = """
SELECT ST_XMin(e), ST_YMin(e), ST_XMax(e), ST_YMax(e)
  FROM ST_EstimatedExtent({schema}, {relation}, {column}) AS e
"""
_HEAPS = ("r", "m")
_EDGE_SHARE = 1e-4
# Beyond lies no place; an index of what is infinite ends at the last number of 32 bits.
_MOST = 1e30
# A number does not come in an order: the server may take several processes, as it is set up.
_BY_MANY = "SET LOCAL max_parallel_workers_per_gather TO DEFAULT"
_BY_ONE = "SET LOCAL max_parallel_workers_per_gather = 0"


@dataclass(frozen=True)
class Counted:
    """What was counted.

    ``placed`` is how many rows lie somewhere, ``srids`` are the least and the greatest, None where
    no row has a geometry, and ``bounds`` are of what is finite.
    """

    rows: int
    placed: int
    srids: tuple[int | None, int | None]
    bounds: Bounds | None


def count_rows(opened: Session, table: Table, shape: Shape, srid: int) -> Counted:
    """Look at all rows of a table, whose geometries' column declares an SRID, or 0.

    Raises
    ------
    DatasetError, UnavailableError
        If they cannot be read.
    """
    opened.rows(SQL(_BY_MANY))
    found = _at_the_edges(opened, table, shape, srid) or _everywhere(opened, table, shape)
    opened.rows(SQL(_BY_ONE))
    return found


def _everywhere(opened: Session, table: Table, shape: Shape) -> Counted:
    found = _counted(_asked(opened, table, shape, _ALL, SQL(_EXTENT)))
    if found.bounds is None or np.isfinite(found.bounds).all():
        return found
    finite = SQL(_EXTENT_OF).format(which=SQL(_FINITE))
    return _counted(_asked(opened, table, shape, _ALL, finite))


def _at_the_edges(opened: Session, table: Table, shape: Shape, srid: int) -> Counted | None:
    """Return the same by a look at the corners of those alone that lie at the edges.

    None where that does not tell: those at the edges must reach around the others on all sides.
    """
    if shape.geometry.type != "geometry" or shape.kind not in _HEAPS or not srid:
        return None
    inner = _inner(opened, table, shape)
    if inner is None:
        return None
    numbers = SQL(", ").join(Literal(float(number)) for number in inner)
    within = SQL("g @ ST_MakeEnvelope({})").format(numbers)
    outside = SQL(_EXTENT_OF).format(which=SQL("({}) IS NOT TRUE").format(within))
    more = {"within": within, "srid": Literal(srid)}
    found = _counted(_asked(opened, table, shape, _EDGES, outside, **more))
    if found.bounds is None or not np.isfinite(found.bounds).all():
        return None
    low, high = np.array(found.bounds[:2]), np.array(found.bounds[2:])
    return found if (low <= inner[:2]).all() and (high >= inner[2:]).all() else None


def _inner(opened: Session, table: Table, shape: Shape) -> Array | None:
    """Return a box that most rows are expected within, in numbers of 32 bits.

    So are those of the boxes that geometries carry, rounded away from them: what is within by its
    box is within.
    """
    query = SQL(_ESTIMATED).format(
        schema=Literal(table.schema),
        relation=Literal(table.relation),
        column=Literal(shape.geometry.name),
    )
    (estimated,) = opened.rows(query)
    box = np.array([float(number or "nan") for number in estimated])
    if not (np.abs(box) < _MOST).all():
        return None
    low, high = box[:2], box[2:]
    edge = np.maximum(_EDGE_SHARE * (high - low), 4 * np.spacing(np.abs(box).max().astype("f4")))
    inner = np.concatenate([low + edge, high - edge]).astype("f4")
    return inner if (inner[:2] < inner[2:]).all() else None


def _asked(
    opened: Session, table: Table, shape: Shape, query: str, extent: Composable, **more: Composable
) -> list[str | None]:
    statement = SQL(query).format(
        geometry=shape.geometry_sql(),
        relation=relation(table),
        placed=lies_somewhere(SQL("g")),
        box=SQL(_BOX).format(e=extent),
        **more,
    )
    return opened.rows(statement)[0]


def _counted(found: list[str | None]) -> Counted:
    rows, placed, low, high, *box = found
    return Counted(
        rows=int(rows or 0),
        placed=int(placed or 0),
        srids=(None if low is None else int(low), None if high is None else int(high)),
        bounds=_bounds(box),
    )


def _bounds(box: list[str | None]) -> Bounds | None:
    if box[0] is None:
        return None
    west, south, east, north = (float(number or "nan") for number in box)
    return west, south, east, north
