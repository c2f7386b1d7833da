"""``manage.py migrate``, which two may run at once: an installation may start twice."""

from __future__ import annotations

from typing import Any

from django.core.management.commands import migrate
from django.db import connections

from marinemap.management.alone import alone_with


class Command(migrate.Command):
    """Django's own, one at a time.

    Of two on an empty database one failed over tables that the other had just made.
    """

    def handle(self, *args: Any, **options: Any) -> None:
        """Wait for another that migrates the same database, then do what is left."""
        with alone_with(connections[options["database"]], self.stderr.write):
            super().handle(*args, **options)
