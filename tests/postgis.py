"""A real PostGIS for tests, and tables in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.postgresql import Cluster, running_cluster, skip_or_fail


@contextmanager
def running_postgis() -> Iterator[Cluster]:
    """Run a server with PostGIS in its database ``postgres``; skip where it is not installed."""
    if not list(Path("/usr/share/postgresql").glob("*/extension/postgis.control")):
        skip_or_fail("PostGIS is missing: sudo apt install postgresql-15-postgis-3")
    with running_cluster() as running:
        with psycopg.connect(running.url("postgres"), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION postgis")
        yield running


@contextmanager
def schema_of_test(cluster: Cluster) -> Iterator[psycopg.Connection[Any]]:
    """Yield a connection that writes; what is in the schema ``sea`` is gone afterwards."""
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA sea")
        try:
            yield connection
        finally:
            # On another: the server may have been started anew.
            with psycopg.connect(cluster.url("postgres"), autocommit=True) as last:
                last.execute("DROP SCHEMA sea CASCADE")
