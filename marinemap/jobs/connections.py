"""Whether PostgreSQL lets in as many connections as the site's processes need.

Where it does not, the site works until more people come, and then answers some of them 503.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import Any

from celery import current_app
from celery.signals import worker_ready
from django.core.checks import CheckMessage, Warning, register
from django.db import Error, connection

from marinemap.jobs.workers import count_alive

logger = logging.getLogger(__name__)

# Measured: two web servers and two workers with `-c 1 -B` took 49 with 60 clients at once.
_OF_A_WEB_SERVER_AND_WORKER = 30
_OF_A_FURTHER_PROCESS = 3
# psql, backups, and the old processes while a site is restarted.
_OF_OPERATORS = 10
_ALLOWED = """
SELECT current_setting('max_connections')::int
       - current_setting('superuser_reserved_connections')::int
       - coalesce(current_setting('reserved_connections', true), '0')::int AS server,
       (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS role,
       (SELECT datconnlimit FROM pg_database WHERE datname = current_database()) AS database
"""


@dataclass(frozen=True)
class _Allowed:
    """How many connections the site may have at once, and what an operator raises for more."""

    count: int
    remedy: str


def find_shortage(processes: int = 1) -> str | None:
    """Return in words that fewer connections are allowed than the site needs; None if enough are.

    Parameters
    ----------
    processes : int
        Of the worker that asks (``-c``).

    Raises
    ------
    django.db.Error
        If the database is away.
    """
    if connection.vendor != "postgresql":
        return None
    allowed, workers = _find_allowed(), max(1, count_alive())
    needed = _OF_OPERATORS + workers * _OF_A_WEB_SERVER_AND_WORKER
    needed += (processes - 1) * _OF_A_FURTHER_PROCESS
    if allowed.count >= needed:
        return None
    return (
        f"PostgreSQL lets this site have {allowed.count} connections at once; {workers} web "
        f"server{'s' * (workers > 1)} and worker{'s' * (workers > 1)} need up to {needed}, and "
        f"people are refused when there are no more. {allowed.remedy}"
    )


def _find_allowed() -> _Allowed:
    with connection.cursor() as cursor:
        cursor.execute(_ALLOWED)
        server, role, database = cursor.fetchone()
    limits = [
        _Allowed(server, "Raise max_connections in postgresql.conf and restart PostgreSQL."),
        _Allowed(role, "Raise the role's own limit: ALTER ROLE ... CONNECTION LIMIT -1."),
        _Allowed(database, "Raise the database's own: ALTER DATABASE ... CONNECTION LIMIT -1."),
    ]
    # -1 is no limit, as is NULL for a role that comes by another name.
    return min((each for each in limits if (each.count or -1) >= 0), key=lambda each: each.count)


# Without Django's tag for databases: by that it would be asked for by name only.
@register(deploy=True)
def check_connections(**_: Any) -> list[CheckMessage]:
    """Report too few connections; a database that is away is told of by whoever needs it."""
    try:
        shortage = find_shortage()
    except Error:
        return []
    hint = "Behind a pooler such as PgBouncer its own limits count. docs/how-to/deploy.md has more."
    return [Warning(shortage, hint=hint, id="marinemap.W010")] if shortage else []


@worker_ready.connect
def tell_at_start(sender: Any, **_: Any) -> None:
    """Write into a worker's log that there are too few connections, beside its work."""
    if current_app.conf.task_default_queue not in current_app.amqp.queues.consume_from:
        # A caretaker, or a helper.
        return
    processes = getattr(sender.pool, "num_processes", None) or 1
    threading.Thread(target=_tell, args=(processes,), name="connections", daemon=True).start()


def _tell(processes: int) -> None:
    try:
        shortage = find_shortage(processes)
    except Error:
        return
    finally:
        connection.close()
    if shortage:
        logger.warning("%s", shortage)
