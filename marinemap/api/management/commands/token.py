"""``manage.py token``: make, list and revoke personal tokens."""

from __future__ import annotations

import uuid
from argparse import ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from marinemap.api.access import SCOPES
from marinemap.api.models import PersonalToken
from marinemap.api.tokens import make_token
from marinemap.errors import MarineMapError, did_you_mean

# As who makes one over HTTP may ask for.
_MOST_DAYS = 3_650


class Command(BaseCommand):
    """Make, list and revoke the tokens by which programs act for people."""

    help = "Make, list and revoke the tokens by which programs use the API for a person."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare what can be done."""
        actions = parser.add_subparsers(dest="action", required=True)
        make = actions.add_parser("make", help="make a token, and print it")
        make.add_argument("username")
        make.add_argument("name", help="what it is for, such as 'nightly export'")
        make.add_argument("--scope", action="append", choices=list(SCOPES), help="all by default")
        make.add_argument("--days", type=_days, default=365, help="0 for ever; 365 by default")
        actions.add_parser("list", help="list them").add_argument("username", nargs="?")
        actions.add_parser("revoke", help="revoke one").add_argument("id", type=uuid.UUID)

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what is asked."""
        getattr(self, f"_{options['action']}")(options)

    def _make(self, options: dict[str, Any]) -> None:
        days = options["days"]
        expires_at = timezone.now() + timedelta(days=days) if days > 0 else None
        user = _find_user(options["username"])
        try:
            _, text = make_token(
                user, options["name"], options["scope"] or list(SCOPES), expires_at
            )
        except MarineMapError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(text)

    def _list(self, options: dict[str, Any]) -> None:
        found = PersonalToken.objects.select_related("user")
        if options["username"]:
            found = found.filter(user=_find_user(options["username"]))
        for token in found:
            used = token.last_used_at.isoformat(" ", "minutes") if token.last_used_at else "never"
            self.stdout.write(
                f"{token.pk}  {token.begins_with}...  {token.user.username}: {token.name}  "
                f"{' '.join(token.scopes)}  last used: {used}"
            )

    def _revoke(self, options: dict[str, Any]) -> None:
        if not PersonalToken.objects.filter(pk=options["id"]).delete()[0]:
            raise CommandError(f"there is no token {options['id']}; `manage.py token list` has all")
        self.stdout.write("Revoked.")


def _days(text: str) -> int:
    """Return for how many days a token is good."""
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= _MOST_DAYS):
        raise ArgumentTypeError(
            f"'{text[:20]}' is no number of days: a whole number from 1 to {_MOST_DAYS}, or 0 for "
            "ever"
        )
    return int(text)


def _find_user(username: str) -> User:
    user = User.objects.filter(username=username).first()
    if user is None:
        known = User.objects.values_list("username", flat=True)
        raise CommandError(f"there is no user '{username}'.{did_you_mean(username, known)}")
    return user
