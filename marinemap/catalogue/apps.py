"""The Django app of the catalogue."""

from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


class CatalogueConfig(AppConfig):
    """Name the room to Django, and tell the engine what it may read of others."""

    name = "marinemap.catalogue"
    verbose_name = "Catalogue"

    def ready(self) -> None:
        # Imported here: the engine takes longer to import than a command that needs none of it,
        # and the models of the catalogue have imported it by now.
        from marinemap.extraction import Prefix, Server, allow_prefixes, allow_servers

        servers = []
        for number, address in enumerate(settings.MARINEMAP_POSTGIS_SERVERS, 1):
            try:
                servers.append(Server.parse(address))
            except ValueError as error:
                raise ImproperlyConfigured(
                    f"MARINEMAP_POSTGIS_SERVERS: number {number}: {error}; write "
                    "postgresql://user:password@host:5432/database, odd characters of a password "
                    "as in addresses: # is %23, / is %2F, ? is %3F, % is %25, @ is %40"
                ) from None
        allow_servers(servers, settings.MARINEMAP_POSTGIS_SECONDS)
        prefixes = []
        for number, address in enumerate(settings.MARINEMAP_SOURCE_PREFIXES, 1):
            try:
                prefixes.append(Prefix.parse(address))
            except ValueError as error:
                raise ImproperlyConfigured(
                    f"MARINEMAP_SOURCE_PREFIXES: number {number}: {error}; write "
                    "https://host/folder/, odd characters of a password as in addresses: # is %23, "
                    "/ is %2F, ? is %3F, % is %25, @ is %40"
                ) from None
        allow_prefixes(prefixes, settings.MARINEMAP_SOURCE_SECONDS)
