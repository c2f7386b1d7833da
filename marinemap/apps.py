"""The Django app that binds Celery whenever Django is set up."""

from __future__ import annotations

from django.apps import AppConfig


class MarineMapConfig(AppConfig):
    """Bind the Celery app and register the tasks, so that ``delay()`` works everywhere."""

    name = "marinemap"
    verbose_name = "MarineMap"

    def ready(self) -> None:
        # Imported here: settings and models are not ready when this module is.
        from marinemap.celery import app
        from marinemap.jobs import overdue, periodic

        app.set_default()
        # Importing a module of tasks registers them; a task that is not registered cannot be
        # called by its name, and a signal without a receiver does nothing.
        assert overdue and periodic
        # The module `tasks` of every app that is installed.
        app.autodiscover_tasks(force=True)
