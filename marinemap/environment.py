"""Read the settings of a site from its environment, with errors that name the variable."""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import getaddresses
from pathlib import Path
from socket import gethostname
from zoneinfo import TZPATH, ZoneInfo, ZoneInfoNotFoundError, available_timezones

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import EmailValidator

from marinemap.errors import quote

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}
_PREFIX = "MARINEMAP_"
# Others' variables begin like these as well (Django's, Celery's, a platform's): of those only
# what looks like a misspelt one of ours is refused.
_SHARED_PREFIXES = ("DJANGO_", "DATABASE_", "CELERY_")
# How alike two names are behind their prefix, 1 being the same: HOEM and HOME have 0.75, URI and
# URL 0.67; USER and URL, which DATABASE_USER must not be taken for, 0.57.
_MISSPELT = 0.65
# Celery itself reads these before its settings, past all that is checked here.
_PAST_SETTINGS = {
    "CELERY_BROKER_READ_URL": "the queue is CELERY_BROKER_URL",
    "CELERY_BROKER_WRITE_URL": "the queue is CELERY_BROKER_URL",
    "CELERY_RESULT_BACKEND": "results are kept in the database",
}
# Every variable that a setting was read from.
_asked: set[str] = set()


def refuse_unknown(*, are_all_read: bool = True) -> None:
    """Refuse variables that no setting is read from: a misspelt one would do nothing.

    Parameters
    ----------
    are_all_read : bool
        Whether all settings were read; else only what resembles one that was is refused.

    Raises
    ------
    ImproperlyConfigured
        With a line for each, and the nearest name.
    """
    wrong = list(_find_unknown(are_all_read))
    if wrong:
        raise ImproperlyConfigured("\n".join(wrong))


def known_variables() -> frozenset[str]:
    """Return the names of all that settings were read from so far."""
    return frozenset(_asked)


def _find_unknown(are_all_read: bool) -> Iterator[str]:
    for name in sorted(set(os.environ) - _asked):
        if name in _PAST_SETTINGS:
            yield f"{name}: take it out; {_PAST_SETTINGS[name]}"
        elif name.startswith((_PREFIX, *_SHARED_PREFIXES)):
            nearest = _find_nearest(name)
            if nearest:
                yield f"{name}: there is no such setting. Did you mean {nearest}?"
            elif are_all_read and name.startswith(_PREFIX):
                yield f"{name}: there is no such setting; docs/reference/settings.md lists all"


def _find_nearest(name: str) -> str | None:
    prefix, _, rest = name.partition("_")
    known = {one.partition("_")[2]: one for one in _asked if one.startswith(f"{prefix}_")}
    nearest = difflib.get_close_matches(rest, known, n=1, cutoff=_MISSPELT)
    return known[nearest[0]] if nearest else None


def read_text(name: str, default: str) -> str:
    """Return a variable as it is, the default where it is not set or empty."""
    return _read(name) or default


def _read(name: str) -> str | None:
    _asked.add(name)
    return os.environ.get(name)


def read_flag(name: str, default: bool) -> bool:
    """Return a variable as true or false.

    Raises
    ------
    ImproperlyConfigured
        If it is set to anything else than a yes or a no.
    """
    text = _read(name)
    if text is None:
        return default
    if text.lower() not in _TRUE | _FALSE:
        raise ImproperlyConfigured(f"{name}: '{quote(text)}' is neither yes nor no; write 1 or 0")
    return text.lower() in _TRUE


def read_choice(name: str, choices: tuple[str, ...]) -> str:
    """Return a variable that is one of some words, as it is spelt here; empty if it is not set.

    Raises
    ------
    ImproperlyConfigured
        If it is another word.
    """
    text = read_text(name, "")
    known = {choice.lower(): choice for choice in ("", *choices)}
    if text.lower() not in known:
        raise ImproperlyConfigured(f"{name}: '{quote(text)}' is none of {', '.join(choices)}")
    return known[text.lower()]


def read_number(name: str, default: float, least: float, most: float) -> float:
    """Return a variable as a number.

    Raises
    ------
    ImproperlyConfigured
        If it is none, or out of its range.
    """
    text = read_text(name, str(default))
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    # What is no number is in no range.
    if not least <= number <= most:
        raise ImproperlyConfigured(
            f"{name}: '{quote(text)}' is not a number from {least:g} to {most:g}"
        )
    return number


@dataclass(frozen=True)
class Shape:
    """What each word of a list looks like: a pattern, what it is called, and how it is written."""

    pattern: re.Pattern[str]
    called: str
    example: str


_NAME = r"(?:[\w-]+\.)*[\w-]+\.?"
_ADDRESS = r"\[[0-9a-f:.]+\]"
HOST = Shape(
    re.compile(rf"\*|\.?{_NAME}|{_ADDRESS}", re.ASCII | re.IGNORECASE),
    "host",
    "maps.example.org, without https:// and port",
)
# As browsers send it, in small letters.
ORIGIN = Shape(
    re.compile(rf"\*|https?://(?:(?![^:/]*[A-Z]){_NAME}|{_ADDRESS})(?::\d+)?", re.ASCII),
    "origin",
    "https://maps.example.org, in small letters and without a slash at the end",
)


def read_list(name: str, default: list[str], shape: Shape | None = None) -> list[str]:
    """Return a variable of comma-separated words as a list.

    Raises
    ------
    ImproperlyConfigured
        If one is not of the shape that they have.
    """
    text = _read(name)
    if text is None:
        return default
    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words:
        if shape is not None and not shape.pattern.fullmatch(word):
            raise ImproperlyConfigured(
                f"{name}: '{quote(word)}' is no {shape.called}; write {shape.example}"
            )
    return words


def read_token(name: str) -> str:
    """Return a variable that is a secret; empty where it is not set. It is never shown.

    Raises
    ------
    ImproperlyConfigured
        If it could be guessed, or does not fit into a header.
    """
    text = read_text(name, "")
    _check_secret(name, text)
    return text


def read_secrets(name: str) -> list[str]:
    """Return a variable of secrets with commas between. They are never shown.

    Raises
    ------
    ImproperlyConfigured
        If one of them could be guessed.
    """
    found = read_list(name, [])
    for text in found:
        _check_secret(name, text)
    return found


def _check_secret(name: str, text: str) -> None:
    if text and not re.fullmatch(r"[\x21-\x7e]{20,200}", text):
        raise ImproperlyConfigured(
            f"{name}: write 20 to 200 letters, digits and signs without spaces, such as "
            "`openssl rand -hex 20` gives"
        )


def read_addresses(name: str) -> list[tuple[str, str]]:
    """Return a variable of e-mail addresses, with commas between, as names and addresses.

    Raises
    ------
    ImproperlyConfigured
        If one of them is no address.
    """
    found = getaddresses([read_text(name, "")])
    for _, address in found:
        try:
            # `root@localhost` is one of the machine's own.
            EmailValidator(allowlist=["localhost", gethostname()])(address)
        except ValidationError as error:
            raise ImproperlyConfigured(
                f"{name}: '{quote(address)}' is no e-mail address; write ann@example.org, or "
                "Ann <ann@example.org>, with commas between several"
            ) from error
    return [(name or address, address) for name, address in found]


def read_rate(name: str, default: str) -> str | None:
    """Return a variable as a rate of Celery's, such as ``4/m``; the word unlimited is None."""
    text = read_text(name, default)
    return None if text.lower() == "unlimited" else text


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
        If it cannot be made, or is no folder.
    """
    home = Path(read_text("MARINEMAP_HOME", str(default))).resolve()
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
