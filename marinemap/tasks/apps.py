"""The Django app of what tasks stand on."""

from django.apps import AppConfig


class TasksConfig(AppConfig):
    """Name the room to Django."""

    name = "marinemap.tasks"
    label = "tasks"
    verbose_name = "Tasks"
