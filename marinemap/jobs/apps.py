"""The Django app of the jobs."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """Name the room to Django."""

    name = "marinemap.jobs"
    verbose_name = "Jobs"
