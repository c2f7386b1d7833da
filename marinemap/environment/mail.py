"""Read how letters are sent: the mail server, its encryption, the sender."""

from __future__ import annotations

import re

from django.core.exceptions import ImproperlyConfigured

from marinemap.environment.values import read_addresses, read_flag
from marinemap.environment.variables import read_text
from marinemap.errors import quote

_SERVER = re.compile(r"[\w.-]+|[0-9a-f.]*:[0-9a-f:.]+", re.ASCII | re.IGNORECASE)


def read_mail_server(name: str) -> str:
    """Return a variable as a host that takes letters, this machine where it is not set.

    Raises
    ------
    ImproperlyConfigured
        If it is more than a host, such as one with a port: each letter would wait in vain.
    """
    text = read_text(name, "localhost")
    if not _SERVER.fullmatch(text):
        raise ImproperlyConfigured(
            f"{name}: '{quote(text)}' is no mail server; write its name alone, such as "
            "mail.example.org, and the port into DJANGO_EMAIL_PORT"
        )
    return text


def read_encryption(tls: str, ssl: str) -> tuple[bool, bool]:
    """Return two variables: whether STARTTLS encrypts, and whether it is encrypted from the start.

    Raises
    ------
    ImproperlyConfigured
        If both are set, which Django refuses at each letter.
    """
    found = read_flag(tls, False), read_flag(ssl, False)
    if all(found):
        raise ImproperlyConfigured(
            f"{tls} and {ssl}: not both; STARTTLS (mostly port 587) is the former, encryption "
            "from the start (465) the latter"
        )
    return found


def read_sender(name: str, default: str) -> str:
    """Return a variable as the address that letters come from.

    Raises
    ------
    ImproperlyConfigured
        If it is no address, or several.
    """
    if len(read_addresses(name)) > 1:
        raise ImproperlyConfigured(f"{name}: write one address; letters have one sender")
    return read_text(name, default)
