"""The Django app of the catalogue."""

from collections.abc import Callable
from typing import TypeVar

from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")


class CatalogueConfig(AppConfig):
    """Name the room to Django, and tell the engine what it may read of others."""

    name = "marinemap.catalogue"
    verbose_name = "Catalogue"

    def ready(self) -> None:
        # Imported here: the engine takes longer to import than a command that needs none of it,
        # and the models of the catalogue have imported it by now.
        from marinemap.extraction import Prefix, Server, allow_prefixes, allow_servers

        servers = _parsed(
            "MARINEMAP_POSTGIS_SERVERS",
            Server.parse,
            "postgresql://user:password@host:5432/database",
        )
        allow_servers(servers, settings.MARINEMAP_POSTGIS_SECONDS)
        prefixes = _parsed("MARINEMAP_SOURCE_PREFIXES", Prefix.parse, "https://host/folder/")
        allow_prefixes(prefixes, settings.MARINEMAP_SOURCE_SECONDS)


def _parsed(setting: str, parse: Callable[[str], T], example: str) -> list[T]:
    """Return what the addresses of a setting are, which may hold passwords: none is repeated."""
    found = []
    for number, address in enumerate(getattr(settings, setting), 1):
        try:
            found.append(parse(address))
        except ValueError as error:
            raise ImproperlyConfigured(
                f"{setting}: number {number}: {error}; write {example}, odd characters of a "
                "password as in addresses: # is %23, / is %2F, ? is %3F, % is %25, @ is %40"
            ) from None
    return found
