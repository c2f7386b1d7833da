"""``manage.py webhooksecret``: with what a receiver of callbacks checks their signatures."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from marinemap.errors import RequestError
from marinemap.jobs.egress import check_uri
from marinemap.jobs.notify import host_of
from marinemap.jobs.signing import secrets_for


class Command(BaseCommand):
    """Show the secrets of one host."""

    help = "Show with what the host of an address checks the signatures of its callbacks."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the address."""
        parser.add_argument("address", help="such as https://receiver.example.org/, or its host")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print them, that which stays first."""
        address = str(options["address"])
        uri = address if "://" in address else f"https://{address}/"
        try:
            check_uri(uri, "address")
        except RequestError as error:
            raise CommandError(str(error)) from error
        self.stdout.write("\n".join(secrets_for(host_of(uri))))
