"""Read variables as flags, words, numbers, lists, secrets, addresses, rates."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from email.utils import getaddresses
from socket import gethostname
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured, ValidationError

from marinemap.environment.variables import read_text, read_variable
from marinemap.errors import did_you_mean, quote

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}


def read_flag(name: str, default: bool) -> bool:
    """Return a variable as true or false.

    Raises
    ------
    ImproperlyConfigured
        If it is set to anything else than a yes or a no.
    """
    text = read_variable(name)
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


def read_count(name: str, default: int, least: int, most: int) -> int:
    """Return a variable as a whole number.

    Raises
    ------
    ImproperlyConfigured
        If it is none, or out of its range.
    """
    number = read_number(name, default, least, most)
    if number != int(number):
        raise ImproperlyConfigured(
            f"{name}: '{number:g}' is not a whole number from {least:,} to {most:,}"
        )
    return int(number)


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
# As Django compares it: with a scheme, and *. for all names below one.
TRUSTED_ORIGIN = Shape(
    re.compile(rf"https?://(?:(?:\*\.)?{_NAME}|{_ADDRESS})(?::\d+)?", re.ASCII),
    "origin",
    "https://maps.example.org, or https://*.example.org for all names below it",
)

_DSN = re.compile(r"https?://[0-9A-Za-z]+(:[0-9A-Za-z]+)?@[^\s/@:]+(:\d{1,5})?/(\S*/)?\d+/?")
FOLDER = Shape(re.compile(r"/.*"), "folder", "its whole path, such as /srv/layers")


LAYER = Shape(
    re.compile(r"[a-z0-9][a-z0-9_-]{0,62}"),
    "id of a layer",
    "one such as land: small letters, digits, - and _",
)


def read_list(name: str, default: list[str], shape: Shape | None = None) -> list[str]:
    """Return a variable of comma-separated words as a list.

    Raises
    ------
    ImproperlyConfigured
        If one is not of the shape that they have.
    """
    text = read_variable(name)
    if text is None:
        return default
    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words:
        if shape is not None and not shape.pattern.fullmatch(word):
            raise ImproperlyConfigured(
                f"{name}: '{quote(word)}' is no {shape.called}; write {shape.example}"
            )
    return words


def read_hosts(name: str, default: list[str]) -> list[str]:
    """Return a variable of the hosts that a site is asked for under.

    Raises
    ------
    ImproperlyConfigured
        If one is no host, or there is none: each request would be refused.
    """
    hosts = read_list(name, default, HOST)
    if not hosts:
        raise ImproperlyConfigured(f"{name}: it names no host; write {HOST.example}")
    return hosts


def read_layer(name: str, default: str) -> str:
    """Return a variable that is the id of a layer, which there may be or not.

    Raises
    ------
    ImproperlyConfigured
        If no layer can have it.
    """
    text = read_text(name, default)
    if not LAYER.pattern.fullmatch(text):
        raise ImproperlyConfigured(
            f"{name}: '{quote(text)}' is no {LAYER.called}; write {LAYER.example}"
        )
    return text


def read_words(name: str, known: tuple[str, ...]) -> list[str]:
    """Return a variable of some words out of those that are known; all where it is not set.

    Raises
    ------
    ImproperlyConfigured
        If one is not known, with the nearest.
    """
    words = read_list(name, list(known))
    for word in words:
        if word not in known:
            raise ImproperlyConfigured(
                f"{name}: '{quote(word)}' is none of {', '.join(known)}.{did_you_mean(word, known)}"
            )
    return words


def read_uris(name: str) -> list[str]:
    """Return a variable of http(s) addresses. They may have keys in them, and are never shown.

    Raises
    ------
    ImproperlyConfigured
        If one of them is none.
    """
    found = read_list(name, [])
    for place, uri in enumerate(found, 1):
        if not is_http(uri):
            raise ImproperlyConfigured(
                f"{name}: address {place} of {len(found)} is none of a program; write "
                "https://receiver.example.org/path, with commas between several"
            )
    return found


def read_uri(name: str) -> str:
    """Return a variable that is an http(s) address, without user and password; or empty.

    Raises
    ------
    ImproperlyConfigured
        If it is none. It is not repeated: it may hold a secret.
    """
    text = read_text(name, "").strip()
    if text and not is_http(text):
        raise ImproperlyConfigured(
            f"{name}: write the address of a program without user and password, such as "
            "http://127.0.0.1:4318"
        )
    return text


def read_dsn(name: str) -> str:
    """Return a variable that is the address of a Sentry's project, with its key; or empty.

    Raises
    ------
    ImproperlyConfigured
        If it is none. It is not repeated, for its key.
    """
    text = read_text(name, "").strip()
    if text and not _DSN.fullmatch(text):
        raise ImproperlyConfigured(
            f"{name}: write it as the project's page of client keys has it, such as "
            "https://key@sentry.example.org/7"
        )
    return text


def is_http(uri: str) -> bool:
    """Tell whether a text is an http(s) address of a program, without user and password."""
    try:
        parts = urlsplit(uri)
        is_sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    # What a request line cannot carry, nor the row that keeps it.
    is_plain = uri.isascii() and uri.isprintable() and " " not in uri and len(uri) <= 2_000
    return is_sound and is_plain and not parts.username


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
    # Takes longer to import than all else here, and an extract from the shell reads no address.
    from django.core.validators import EmailValidator

    text = read_text(name, "").strip()
    # Of an empty text some versions of Python read one empty address.
    found = getaddresses([text]) if text else []
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
