"""Read what is of the machine: the time zone, the site's folder."""

from __future__ import annotations

import os
from pathlib import Path
from zoneinfo import TZPATH, ZoneInfo, ZoneInfoNotFoundError, available_timezones

from django.core.exceptions import ImproperlyConfigured

from marinemap.environment.variables import read_text
from marinemap.errors import quote


def read_time_zone() -> str:
    """Return the name of the time zone that ``TZ`` means, UTC where it is not set.

    The system writes a file there as well, with or without a colon in front (tzset(3)).

    Raises
    ------
    ImproperlyConfigured
        If it is none that Python knows.
    """
    given = read_text("TZ", "UTC")
    name = given.removeprefix(":")
    if name.startswith("/"):
        name = _zone_of(Path(name))
    try:
        return ZoneInfo(name).key
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise ImproperlyConfigured(
            f"TZ: '{given}' is no time zone; write a name such as Europe/Athens, or UTC"
        ) from error


def _zone_of(file: Path) -> str:
    """Return the name of the zone that a file of the system's is; empty for none.

    By its path, or of a plain copy, as in many containers, by what it holds: of the names that
    have the same the first of a place.
    """
    by_path = str(file.resolve()).partition("/zoneinfo/")[2]
    if by_path or not file.is_file():
        return by_path
    content = file.read_bytes()
    names = sorted(available_timezones(), key=lambda name: ("/" not in name, name))
    return next((name for name in names if _content_of(name) == content), "")


def _content_of(zone: str) -> bytes | None:
    files = (Path(folder, zone) for folder in TZPATH)
    return next((file.read_bytes() for file in files if file.is_file()), None)


def read_home(default: Path) -> Path:
    """Return the site's folder, ``MARINEMAP_HOME``, which is made where it is missing.

    Raises
    ------
    ImproperlyConfigured
        If it is no whole path, cannot be made, or is no folder.
    """
    given = read_text("MARINEMAP_HOME", str(default))
    # Another one for each folder that a command is started in, empty at first.
    if not given.startswith("/") or given != given.strip() or "\n" in given:
        raise ImproperlyConfigured(
            f"MARINEMAP_HOME: '{quote(given)}' is no whole path; write such as /var/lib/marinemap, "
            "without quotes and blanks around it"
        )
    home = Path(given).resolve()
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _useless_home(home, f"cannot be made ({error.strerror})") from error
    return home


def check_writable(home: Path) -> None:
    """Refuse a site's folder that this user may not write to.

    Raises
    ------
    ImproperlyConfigured
        With what to do.
    """
    if not os.access(home, os.W_OK | os.X_OK):
        raise _useless_home(home, "cannot be written to")


def _useless_home(home: Path, reason: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(
        f"MARINEMAP_HOME: '{quote(str(home))}' {reason}; name a folder that this user may write "
        "to, or run this as the site's user"
    )
