"""``manage.py migrate``, which two may run at once: an installation may start twice."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import connections
from django.db.migrations.exceptions import MigrationSchemaMissing

from marinemap.management.alone import alone_with
from marinemap.management.fitness import refuse_unfit

_OWN_IT = (
    'Make the database its own (ALTER DATABASE "{name}" OWNER TO "{user}"), or give it a schema: '
    'CREATE SCHEMA maps AUTHORIZATION "{user}"; '
    'ALTER ROLE "{user}" IN DATABASE "{name}" SET search_path = maps.'
)


class Command(migrate.Command):
    """Django's own, one at a time.

    Of two on an empty database one failed over tables that the other had just made.
    """

    def handle(self, *args: Any, **options: Any) -> None:
        """Wait for another that migrates the same database, then do what is left.

        Raises
        ------
        CommandError
            If the database is in an encoding that cannot hold all letters, or its user may make
            no tables there.
        """
        connection = connections[options["database"]]
        if (unfit := refuse_unfit(connection)) is not None:
            raise CommandError(unfit)
        with alone_with(connection, self.stderr.write):
            try:
                super().handle(*args, **options)
            except MigrationSchemaMissing as error:
                of = connection.settings_dict
                reason = str(error.__cause__ or error).splitlines()[0]
                remedy = _OWN_IT.format(name=of["NAME"], user=of["USER"] or "its user")
                raise CommandError(
                    f"DATABASE_URL: its user may make no tables there: {reason}. {remedy}"
                ) from error
