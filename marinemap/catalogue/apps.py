"""The Django app of the catalogue."""

from django.apps import AppConfig


class CatalogueConfig(AppConfig):
    """Name the room to Django."""

    name = "marinemap.catalogue"
    verbose_name = "Catalogue"
