"""How a transaction begins: behind whoever loads the table, whose rows it would not see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.sql import SQL, Composable, Identifier, Literal

from marinemap.errors import DatasetError, UnavailableError
from marinemap.extraction.postgis.connections import away
from marinemap.extraction.postgis.servers import silent_seconds
from marinemap.extraction.postgis.table import Table
from marinemap.sentences import say

if TYPE_CHECKING:
    from marinemap.extraction.postgis.session import Session

# LOCK and SET take no snapshot, so that it is of a moment at which the table is nobody's alone.
_OPEN = """
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL statement_timeout = {timeout};
SAVEPOINT before_lock
"""
# Of others the server refuses a lock, and writes each refusal to its log. Asked for beforehand.
_MAY_BE_LOCKED = """
SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = {schema} AND c.relname = {relation} AND c.relkind IN ('r', 'p', 'v')
   AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
"""
_LOCK = "LOCK TABLE {relation} IN ACCESS SHARE MODE"
# What is rolled back leaves the lock, not the snapshot, which is the whole transaction's.
_SNAPSHOT_ALONE = """
SELECT 1;
ROLLBACK TO SAVEPOINT before_lock
"""
# Rows come in the order of the key, or of the table: not of whichever process was first. Functions
# are PostGIS's own, whatever others of the same name there are.
_SET = """
SELECT set_config('statement_timeout', {timeout}, true),
       set_config('idle_in_transaction_session_timeout', '0', true),
       set_config('synchronize_seqscans', 'off', true),
       set_config('max_parallel_workers_per_gather', '0', true),
       set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO', true),
       set_config('search_path', 'pg_catalog, ' || quote_ident(n.nspname), true)
  FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
 WHERE e.extname = 'postgis'
"""
# A relation and those that it is made of.
PARTS = """
WITH RECURSIVE parts(oid) AS (
  SELECT ({oid})::oid
  UNION SELECT below.oid FROM parts, LATERAL (
    SELECT d.refobjid AS oid FROM pg_rewrite r
      JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
     WHERE r.ev_class = parts.oid AND d.refclassid = 'pg_class'::regclass
    UNION SELECT inhrelid FROM pg_inherits WHERE inhparent = parts.oid) AS below)
"""
_OID = """
SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = {schema} AND c.relname = {relation}
"""
# What a query finds in pg_class is as of the snapshot, what a function says is as of now. TRUNCATE
# and ALTER TABLE write a file anew, whose rows no snapshot from before shows (PostgreSQL, caveats
# of concurrency control). Those of a materialized view that is made anew are shown to all.
_MOVED = (
    PARTS
    + """
SELECT 1 FROM parts JOIN pg_class c ON c.oid = parts.oid
 WHERE c.relfilenode <> 0 AND c.relkind <> 'm'
   AND c.relfilenode IS DISTINCT FROM pg_relation_filenode(c.oid)
UNION ALL
SELECT 1 WHERE ({oid}) IS DISTINCT FROM to_regclass({name})::oid
"""
)


def relation(table: Table) -> Composable:
    """Return the name of a table in SQL."""
    return Identifier(table.schema, table.relation)


def begin(opened: Session, table: Table, *, stays: bool = True) -> None:
    """Begin a transaction that sees the rows of a table, once nobody replaces all of them.

    Who replaces them keeps the table to himself (``TRUNCATE``): a snapshot from before the end of
    that shows none. With ``stays`` false the table may be replaced afterwards.

    Raises
    ------
    UnavailableError
        If the table's snapshot is no longer held, or has no rows of the table any more.
    DatasetError
        If the database has no PostGIS.
    """
    timeout = Literal(str(round(1000 * silent_seconds())))
    may_be_locked = opened.rows(SQL(_MAY_BE_LOCKED).format(**_names(table)))
    opened.rows(SQL(_OPEN).format(timeout=timeout))
    if may_be_locked:
        _lock(opened, table)
    if not stays:
        opened.rows(SQL(_SNAPSHOT_ALONE))
    opened.rows(SQL("RELEASE SAVEPOINT before_lock"))
    if table.snapshot:
        _see(opened, table)
    if not opened.rows(SQL(_SET).format(timeout=timeout)):
        raise DatasetError(
            say("the {name} has no PostGIS", name=table.name),
            field="source",
            hint=say("Its owner adds it: CREATE EXTENSION postgis."),
        )
    if table.snapshot:
        _check_rows(opened, table)


def _lock(opened: Session, table: Table) -> None:
    try:
        opened.rows(SQL(_LOCK).format(relation=relation(table)))
    except DatasetError:
        # It was removed just now, or the owner of a view may not read it. Whether it can be read
        # is seen as it is.
        opened.rows(SQL("ROLLBACK TO SAVEPOINT before_lock"))


def _see(opened: Session, table: Table) -> None:
    try:
        opened.rows(SQL("SET TRANSACTION SNAPSHOT {}").format(Literal(table.snapshot)))
    except DatasetError as error:
        # Whoever held it has lost the server.
        raise away(table) from error


def _check_rows(opened: Session, table: Table) -> None:
    oid = SQL(_OID).format(**_names(table))
    name = Literal(relation(table).as_string(None))
    if opened.rows(SQL(_MOVED).format(oid=oid, name=name)):
        raise UnavailableError(
            say("the data of layer '{layer}' changed while they were read", layer=table.layer),
            field="source",
            hint=say("Ask again in a moment."),
        )


def _names(table: Table) -> dict[str, Composable]:
    return {"schema": Literal(table.schema), "relation": Literal(table.relation)}
