"""The Django app that binds Celery whenever Django is set up."""

from __future__ import annotations

import gc

from django.apps import AppConfig

# Python looks for cycles after each 700 new lists, tuples or dicts, and in ever more of those that
# there are: a body of half a million positions is a million lists and tuples, to read it took four
# times as long, and no other thread ran for 0.4 s.
_OBJECTS_BETWEEN_COLLECTIONS = 20_000


class MarineMapConfig(AppConfig):
    """Bind the Celery app and register the tasks, so that ``delay()`` works everywhere."""

    name = "marinemap"
    verbose_name = "MarineMap"

    def ready(self) -> None:
        # Imported here: settings and models are not ready when this module is.
        from marinemap.celery import app
        from marinemap.jobs import overdue, periodic

        gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
        app.set_default()
        # Importing a module of tasks registers them; a task that is not registered cannot be
        # called by its name, and a signal without a receiver does nothing.
        assert overdue and periodic
        # The module `tasks` of every app that is installed.
        app.autodiscover_tasks(force=True)
