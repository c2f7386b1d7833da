"""The Django app that binds Celery whenever Django is set up."""

from __future__ import annotations

import gc
from typing import Any

from django.apps import AppConfig
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

# Python looks for cycles after each 700 new lists, tuples or dicts, and in ever more of those that
# there are: a body of half a million positions is a million lists and tuples, to read it took four
# times as long, and no other thread ran for 0.4 s.
_OBJECTS_BETWEEN_COLLECTIONS = 20_000
# A process that is stopped amid a transaction, or whose machine is gone, holds what it has locked
# for so long. Some rows are everybody's, such as the tally of jobs.
_LONGEST_PAUSE_SECONDS = 60
_PREPARE = f"""
SELECT set_config('idle_in_transaction_session_timeout', '{_LONGEST_PAUSE_SECONDS}s', false),
       set_config('default_transaction_isolation', 'read committed', false),
       set_config('default_transaction_deferrable', 'off', false),
       set_config('DateStyle', 'ISO', false)
"""


class MarineMapConfig(AppConfig):
    """Bind the Celery app and register the tasks, so that ``delay()`` works everywhere."""

    name = "marinemap"
    verbose_name = "MarineMap"

    def ready(self) -> None:
        # Imported here: settings and models are not ready when this module is.
        from marinemap import telemetry
        from marinemap.celery import app
        from marinemap.jobs import overdue, periodic
        from marinemap.management import fitness

        telemetry.start()
        connection_created.connect(_prepare, dispatch_uid="prepare")
        gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
        app.set_default()
        # Importing a module of tasks registers them; a task that is not registered cannot be
        # called by its name, and a signal without a receiver does nothing.
        assert overdue and periodic and fitness
        # The module `tasks` of every app that is installed.
        app.autodiscover_tasks(force=True)


def _prepare(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Have PostgreSQL do as the site expects, whatever its role's or database's own defaults are.

    It ends a transaction in which nothing is asked any more. By another isolation two requests at
    once refuse each other, and dates in another style psycopg cannot read.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(_PREPARE)
