"""The tables of a database that could be layers."""

from __future__ import annotations

from dataclasses import dataclass, replace

from psycopg.sql import SQL, Literal

from marinemap.errors import DatasetError
from marinemap.extraction.postgis.columns import shape_of
from marinemap.extraction.postgis.servers import Server
from marinemap.extraction.postgis.session import Session, session
from marinemap.extraction.postgis.table import Table

_MOST_TABLES = 500
_SPATIAL = """
SELECT n.nspname, c.relname, a.attname, postgis_typmod_type(a.atttypmod),
       count(*) OVER (PARTITION BY c.oid)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_type t ON t.oid = a.atttypid
 WHERE t.typname IN ('geometry', 'geography') AND c.relkind IN ('r', 'v', 'm', 'f', 'p')
   AND NOT c.relispartition AND has_table_privilege(c.oid, 'SELECT')
   AND has_schema_privilege(n.oid, 'USAGE')
 ORDER BY n.nspname, c.relname, a.attnum LIMIT {most}
"""


@dataclass(frozen=True)
class FoundTable:
    """A table or view that may be read; ``refusal`` is why it cannot be served as it stands."""

    table: Table
    geometry_type: str
    refusal: str


def find_tables(server: Server) -> list[FoundTable]:
    """Return the tables and views of a database with geometries that may be read, 500 at most.

    Raises
    ------
    UnavailableError
        If the server is away.
    DatasetError
        If the database has no PostGIS.
    """
    whole = Table(server.host, server.port, server.database, "", "", "")
    with session(whole) as opened:
        rows = opened.rows(SQL(_SPATIAL).format(most=Literal(_MOST_TABLES)))
        return [_found(opened, whole, [str(cell or "") for cell in row]) for row in rows]


def _found(opened: Session, whole: Table, row: list[str]) -> FoundTable:
    schema, relation, column, kind, count = row
    named = column if int(count) > 1 else ""
    table = replace(whole, schema=schema, relation=relation, geometry=named)
    try:
        shape_of(opened, table)
    except DatasetError as error:
        return FoundTable(table, kind, error.message)
    return FoundTable(table, kind, "")
