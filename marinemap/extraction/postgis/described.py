"""What a table holds, and whether it is as it was."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from psycopg.sql import SQL, Composable, Literal

from marinemap.errors import DatasetError
from marinemap.extraction.geometry.type_names import TYPE_NAMES, common_type
from marinemap.extraction.postgis.begin import PARTS, relation
from marinemap.extraction.postgis.columns import Shape, shape_of
from marinemap.extraction.postgis.index import lies_somewhere
from marinemap.extraction.postgis.session import Session, session
from marinemap.extraction.postgis.table import Table
from marinemap.sentences import say

Bounds = tuple[float, float, float, float]

_COUNT = """
SELECT n, low, high, ST_XMin(e), ST_YMin(e), ST_XMax(e), ST_YMax(e), placed FROM (
SELECT count(*) AS n, min(ST_SRID(g)) AS low, max(ST_SRID(g)) AS high, ST_Extent(g) AS e,
       count(*) FILTER (WHERE {placed}) AS placed
  FROM (SELECT {geometry} AS g FROM {relation}) AS all_rows WHERE {which}) AS counted
"""
# A number does not come in an order: the server may take several processes, as it is set up.
_BY_MANY = "SET LOCAL max_parallel_workers_per_gather TO DEFAULT"
_BY_ONE = "SET LOCAL max_parallel_workers_per_gather = 0"
# One at infinity stretches the extent of all.
_FINITE = (
    "abs(ST_XMin(g)) + abs(ST_XMax(g)) + abs(ST_YMin(g)) + abs(ST_YMax(g)) < 'Infinity'::float8"
)
_LOOKED_AT = 100
_TYPES = """
SELECT DISTINCT GeometryType(g), ST_Zmflag(g) FROM (
  SELECT {geometry} AS g FROM {relation} WHERE {geometry} IS NOT NULL LIMIT {most}) AS looked_at
"""
_DECLARED = """
SELECT postgis_typmod_type(atttypmod), postgis_typmod_srid(atttypmod)
  FROM pg_attribute WHERE attrelid = {oid} AND attname = {column}
"""
_CRS = "SELECT auth_name, auth_srid, srtext FROM spatial_ref_sys WHERE srid = {srid}"
_SIMPLE = {name.upper(): name for name in TYPE_NAMES}
# What arcs and surfaces become.
_LINEAR = {
    "CIRCULARSTRING": "LineString",
    "COMPOUNDCURVE": "LineString",
    "CURVEPOLYGON": "Polygon",
    "MULTICURVE": "MultiLineString",
    "MULTISURFACE": "MultiPolygon",
    "TRIANGLE": "Polygon",
    "TIN": "MultiPolygon",
    "POLYHEDRALSURFACE": "MultiPolygon",
}


@dataclass(frozen=True)
class TableDescription:
    """What a table holds; ``stated_crs`` is an authority's code and WKT, as far as it has them.

    ``placed_count`` is how many of its features lie somewhere.
    """

    stated_crs: tuple[str, ...]
    bounds: Bounds | None
    geometry_type: str
    fields: tuple[tuple[str, str], ...]
    feature_count: int
    placed_count: int


def describe_table(table: Table) -> TableDescription:
    """Read what a table holds; its rows are counted, each time.

    Raises
    ------
    DatasetError
        If it cannot be served.
    UnavailableError
        If its server is away.
    """
    with session(table) as opened:
        shape = shape_of(opened, table)
        counted = _counted(opened, table, shape, "true")
        count, low, high = (int(number or 0) for number in counted[:3])
        if low != high:
            raise DatasetError(
                say(
                    "the geometries of table '{layer}' have several CRS: SRID {low} and {high}",
                    layer=table.layer,
                    low=low,
                    high=high,
                ),
                field="crs",
                hint=say("Bring them to one, or serve a view of those of one CRS."),
            )
        return TableDescription(
            # Where no row has a geometry yet, the column says what they will have.
            stated_crs=_crs(opened, low or int(_declared(opened, shape)[1] or 0)),
            bounds=_bounds(opened, table, shape, counted) if count else None,
            geometry_type=_geometry_type(opened, table, shape),
            fields=tuple((column.name, column.kind.word) for column in shape.fields),
            feature_count=count,
            placed_count=int(counted[7] or 0),
        )


def _counted(opened: Session, table: Table, shape: Shape, which: str) -> list[str | None]:
    placed = lies_somewhere(SQL("g"))
    query = SQL(_COUNT).format(which=SQL(which), placed=placed, **_names(table, shape))
    opened.rows(SQL(_BY_MANY))
    found = opened.rows(query)[0]
    opened.rows(SQL(_BY_ONE))
    return found


def _bounds(
    opened: Session, table: Table, shape: Shape, counted: list[str | None]
) -> Bounds | None:
    found = _box(counted)
    if found is None or np.isfinite(found).all():
        return found
    return _box(_counted(opened, table, shape, _FINITE))


def _box(counted: list[str | None]) -> Bounds | None:
    if counted[3] is None:
        return None
    west, south, east, north = (float(number or "nan") for number in counted[3:7])
    return west, south, east, north


def _geometry_type(opened: Session, table: Table, shape: Shape) -> str:
    """Return the declared type; where it is open, what the first features show."""
    if shape.geometry.type == "geometry":
        declared, _ = _declared(opened, shape)
        name = (declared or "").upper().removesuffix("ZM").removesuffix("Z").removesuffix("M")
        if name in _SIMPLE or name in _LINEAR:
            # Of three dimensions the third may be a measure.
            has_z = "Z" in (declared or "").upper()[len(name) :]
            return _worded(name, has_z)
    query = SQL(_TYPES).format(most=Literal(_LOOKED_AT), **_names(table, shape))
    found = opened.rows(query)
    names = {_simple(str(name)) for name, _ in found}
    has_z = any(flag in ("2", "3") for _, flag in found)
    return f"3D {common_type(names)}" if has_z else common_type(names)


def _declared(opened: Session, shape: Shape) -> list[str | None]:
    """Return the type and the SRID that the column declares."""
    query = SQL(_DECLARED).format(oid=Literal(shape.oid), column=Literal(shape.geometry.name))
    return opened.rows(query)[0]


def _worded(name: str, has_z: bool) -> str:
    return f"3D {_simple(name)}" if has_z else _simple(name)


def _simple(name: str) -> str:
    plain = name.upper()
    plain = plain if plain in _SIMPLE or plain in _LINEAR else plain.removesuffix("M")
    return _SIMPLE.get(plain) or _LINEAR.get(plain, "Unknown")


def _crs(opened: Session, srid: int) -> tuple[str, ...]:
    found = opened.rows(SQL(_CRS).format(srid=Literal(srid)))
    if not found:
        return ()
    authority, code, text = found[0]
    return tuple(each for each in (f"{authority}:{code}" if code else "", text or "") if each)


_MARKS = (
    PARTS
    + """
SELECT c.oid, c.relfilenode, c.relkind, md5(pg_get_viewdef(c.oid)),
       pg_stat_get_tuples_inserted(c.oid), pg_stat_get_tuples_updated(c.oid),
       pg_stat_get_tuples_deleted(c.oid),
       (SELECT max(a.xmin::text::bigint) FROM pg_attribute a WHERE a.attrelid = c.oid),
       has_table_privilege(c.oid, 'SELECT'), c.relrowsecurity, c.relforcerowsecurity,
       (SELECT string_agg(concat(p.oid, ' ', p.xmin), ',' ORDER BY p.oid)
          FROM pg_policy p WHERE p.polrelid = c.oid)
  FROM parts JOIN pg_class c ON c.oid = parts.oid ORDER BY c.oid
"""
)
# Where a server counts no writes, or repeats those of another, each of them is a change of all.
_LOG = """
SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()::text
            WHEN current_setting('track_counts') = 'off' THEN pg_current_wal_insert_lsn()::text
            ELSE '' END
"""


def fingerprint_of(table: Table) -> str:
    """Return a cheap mark that changes when rows of a table are written, or the table is altered.

    It changes as well with what the site may read of it: rights, and policies of rows.

    It is made of PostgreSQL's own counts of written rows, of the tables that a view is made of as
    well. A server tells them a second after a commit, and of a session that goes on writing within
    a minute. What functions and foreign tables give is not counted.

    Raises
    ------
    DatasetError, UnavailableError
        As ``describe_table`` does.
    """
    with session(table.as_it_is()) as opened:
        shape = shape_of(opened, table)
        marks = opened.rows(SQL(_MARKS).format(oid=Literal(shape.oid)))
        marks += opened.rows(SQL(_LOG))
    return hashlib.sha256(repr((shape, marks)).encode()).hexdigest()[:16]


# Each version of a row has a place and the number of the transaction that wrote it.
_ROWS = "SELECT count(*), sum(hashtextextended(concat(tableoid, ctid, xmin), 0)) FROM {relation}"
_VALUES = "SELECT count(*), sum(hashtextextended(t::text, 0)) FROM {relation} AS t"
_HEAPS = ("r", "m", "p")


def version_of(table: Table) -> str:
    """Return twelve hexadecimal digits that change whenever what a table holds does.

    Of a table by its row versions, which costs a look at each row but not at its geometry; of a
    view by all that it gives.

    Raises
    ------
    DatasetError, UnavailableError
        As ``describe_table`` does.
    """
    with session(table) as opened:
        shape = shape_of(opened, table)
        query = SQL(_ROWS if shape.kind in _HEAPS else _VALUES).format(relation=relation(table))
        marks = opened.rows(query)
    return hashlib.sha256(repr((shape, marks)).encode()).hexdigest()[:12]


def _names(table: Table, shape: Shape) -> dict[str, Composable]:
    return {"geometry": shape.geometry_sql(), "relation": relation(table)}
