"""The Django app of the letters."""

from django.apps import AppConfig


class MailConfig(AppConfig):
    """Name the room to Django."""

    name = "marinemap.mail"
    label = "mail"
    verbose_name = "Mail"
