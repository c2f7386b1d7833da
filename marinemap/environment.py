"""Read the settings of a site from its environment, with errors that name the variable."""

from __future__ import annotations

import math
import os
import secrets
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.exceptions import ImproperlyConfigured

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}


def read_flag(name: str, default: bool) -> bool:
    """Return a variable as true or false.

    Raises
    ------
    ImproperlyConfigured
        If it is set to anything else than a yes or a no.
    """
    text = os.environ.get(name)
    if text is None:
        return default
    if text.lower() not in _TRUE | _FALSE:
        raise ImproperlyConfigured(f"{name}: '{text}' is neither yes nor no; write 1 or 0")
    return text.lower() in _TRUE


def read_choice(name: str, choices: tuple[str, ...]) -> str:
    """Return a variable that is one of some words, as it is spelt here; empty if it is not set.

    Raises
    ------
    ImproperlyConfigured
        If it is another word.
    """
    text = os.environ.get(name, "")
    known = {choice.lower(): choice for choice in ("", *choices)}
    if text.lower() not in known:
        raise ImproperlyConfigured(f"{name}: '{text}' is none of {', '.join(choices)}")
    return known[text.lower()]


def read_number(name: str, default: float, least: float, most: float) -> float:
    """Return a variable as a number.

    Raises
    ------
    ImproperlyConfigured
        If it is none, or out of its range.
    """
    text = os.environ.get(name) or str(default)
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    # What is no number is in no range.
    if not least <= number <= most:
        raise ImproperlyConfigured(f"{name}: '{text}' is not a number from {least:g} to {most:g}")
    return number


def read_list(name: str, default: list[str]) -> list[str]:
    """Return a variable of comma-separated words as a list."""
    text = os.environ.get(name)
    if text is None:
        return default
    return [word.strip() for word in text.split(",") if word.strip()]


def read_time_zone() -> str:
    """Return the name of the time zone that ``TZ`` means, UTC where it is not set.

    The system writes a file there as well, with or without a colon in front (tzset(3)).

    Raises
    ------
    ImproperlyConfigured
        If it is none that Python knows.
    """
    given = os.environ.get("TZ") or "UTC"
    name = given.removeprefix(":")
    if name.startswith("/"):
        name = str(Path(name).resolve()).partition("/zoneinfo/")[2]
    try:
        return ZoneInfo(name).key
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise ImproperlyConfigured(
            f"TZ: '{given}' is no time zone; write a name such as Europe/Athens, or UTC"
        ) from error


def read_secret_key(home: Path) -> str:
    """Return ``DJANGO_SECRET_KEY``, or the key made at first start and kept in the home.

    Web server and worker may start at the same moment: the file is made whole under another
    name and linked in place, so that both read the same key.
    """
    if given := os.environ.get("DJANGO_SECRET_KEY"):
        return given
    kept = home / "secret_key"
    if not kept.exists():
        fresh = home / f".secret_key.{os.getpid()}"
        file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(file, "w") as key:
            key.write(secrets.token_urlsafe(64))
        try:
            os.link(fresh, kept)
        except FileExistsError:
            pass  # The other process was first; its key is the site's key.
        finally:
            fresh.unlink()
    return kept.read_text().strip()


def broker_on_database(database_url: str) -> str:
    """Return the URL of the message queue that lives in a database.

    Raises
    ------
    ImproperlyConfigured
        If the database is neither SQLite nor PostgreSQL.
    """
    scheme = urlsplit(database_url).scheme
    rest = database_url.partition(":")[2]
    if scheme == "sqlite":
        return f"marinemap+sqlite:{rest}"
    if scheme in ("postgres", "postgresql", "postgis"):
        return f"marinemap+postgresql:{rest}"
    raise ImproperlyConfigured(
        f"DATABASE_URL: '{scheme}' cannot hold the message queue; use sqlite or postgresql, "
        "or point CELERY_BROKER_URL at a broker of your own"
    )
