"""The Django app of the jobs."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """Name the room to Django."""

    name = "marinemap.jobs"
    verbose_name = "Jobs"

    def ready(self) -> None:
        """Register the checks of this room's settings."""
        from marinemap.jobs import checks, connections

        assert checks and connections
