"""A database that gives no answer (its machine or the network is gone) stops no web server.

Each request would wait for it in a thread of its own: eight of them, and what needs no database,
``/healthz`` first of all, stands behind them for as long as anybody asks.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial
from inspect import signature
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from marinemap.jobs.lookout import Lookout

Environ = dict[str, Any]
Application = Callable[..., Iterable[bytes]]

# A database that refuses says so at once; one that was waited for this long is mute.
_MUTE_AFTER_SECONDS = 1.5
# A database that is there answers by then, on a busy machine too.
_PEEK_SECONDS = 1.0
_KEPT_SECONDS = 1.0
_LOCKED_SECONDS = 5.0
_MEMBER = "marinemap.database_away"
_USUAL_CONNECT_SECONDS = 10
# What needs the database and waits for it. The page is there without; others look for themselves.
_IN_NEED = ("/api/", "/admin/")


def tell_away(environ: Environ) -> None:
    """Note with a request that it failed for want of the database."""
    environ[_MEMBER] = True


class WhileMute:
    """A WSGI application that answers 503 at once while the database gives no answer.

    It begins with a request that waited in vain. From then on a thread of its own asks the
    database, one at a time, and requests go on when that was answered.
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._is_mute = False
        self._look = Lookout(_ask_database, _PEEK_SECONDS, "mute-database", _KEPT_SECONDS)
        # The look that was waited for in vain: nobody waits for it again.
        self._vain: Future[None] | None = None

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer; at once where to ask the database is vain."""
        if not environ.get("PATH_INFO", "").startswith(_IN_NEED):
            return self._application(environ, start_response)
        if self._is_mute and not self._answers():
            return _refuse(start_response)
        begun = time.monotonic()
        content = self._application(environ, start_response)
        if environ.get(_MEMBER) and time.monotonic() - begun > _MUTE_AFTER_SECONDS:
            self._is_mute = True
        return content

    def _answers(self) -> bool:
        look = self._look.begin()
        try:
            look.result(0 if look is self._vain else _PEEK_SECONDS)
        except Exception:
            # Too late, refused, or whatever else it says: it cannot be used.
            self._vain = look
            return False
        self._is_mute = False
        return True


def limit_waits() -> None:
    """Let no statement of this process wait longer than somebody who asked does.

    For PostgreSQL twice as long as a connection may: TCP notices a machine that is gone, not a
    server that stands still or a proxy before it. For SQLite five seconds: a worker has time to
    wait for a lock, a person is told to ask again.
    """
    if connection.vendor == "sqlite":
        # Of all threads' connections, from their first statement on.
        connection.settings_dict["OPTIONS"]["timeout"] = _LOCKED_SECONDS
        return
    connection_created.connect(_limit, dispatch_uid="limit_waits")


def _limit(connection: BaseDatabaseWrapper, **_: Any) -> None:
    driver: Any = connection.connection
    # Psycopg has it since 3.3.
    if "timeout" in signature(driver.wait).parameters:
        options = settings.DATABASES["default"].get("OPTIONS", {})
        seconds = 2 * int(options.get("connect_timeout", _USUAL_CONNECT_SECONDS))
        driver.wait = partial(driver.wait, timeout=seconds)


def _ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()


def _refuse(start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = json.dumps(
        {
            "type": "urn:marinemap:problem:database-away",
            "title": "Service Unavailable",
            "status": 503,
            "detail": "The database does not answer; try again in a moment.",
        }
    ).encode()
    headers = [
        ("Content-Type", "application/problem+json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("Retry-After", "5"),
    ]
    start_response("503 Service Unavailable", headers)
    return [body]
