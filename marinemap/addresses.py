"""Where a site's database and its message queue are, by its environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote as percent_encode
from urllib.parse import urlsplit

import dj_database_url
from dj_database_url import DBConfig
from django.core.exceptions import ImproperlyConfigured

from marinemap.environment import read_text
from marinemap.errors import did_you_mean, quote

# What Django calls them, by what the queue does. It has two databases.
_QUEUE_DATABASES = {
    "sqlite": "sqlite",
    "postgres": "postgresql",
    "postgresql": "postgresql",
    "postgis": "postgresql",
}
_ODD_CHARACTERS = (
    "odd characters of a password as in addresses: # is %23, / is %2F, ? is %3F, % is %25, "
    "and @ is %40"
)


def database_in(folder: Path) -> str:
    """Return the URL of the SQLite file of a site's folder, whatever the folder is called."""
    return f"sqlite:///{percent_encode(str(folder))}/marinemap.sqlite3"


def read_database(default: str) -> tuple[str, DBConfig]:
    """Return ``DATABASE_URL`` and what it means to Django; connections are kept and tried.

    Raises
    ------
    ImproperlyConfigured
        If it cannot be read. Its text is not repeated: it may hold a password.
    """
    url = read_text("DATABASE_URL", default)
    try:
        # Beyond it nothing would be read, without a word; SQLite takes its options from here.
        if "#" in url or (url.startswith("sqlite:") and "?" in url):
            raise ValueError("its path ends at a # or ?")
        # A kept connection is tried before each request: the server may have been started anew.
        found = dj_database_url.parse(url, conn_max_age=60, conn_health_checks=True)
    except ValueError as error:
        raise ImproperlyConfigured(
            "DATABASE_URL: it cannot be read; write sqlite:////folder/name.sqlite3 or "
            f"postgresql://user:password@host:5432/name, {_ODD_CHARACTERS}"
        ) from error
    _check_named(url, found)
    return url, found


def _check_named(url: str, found: DBConfig) -> None:
    """Refuse an address without a database; SQLite would have one for each process, in memory."""
    if url.startswith("sqlite:") and not str(found["NAME"]).startswith("/"):
        raise ImproperlyConfigured(
            "DATABASE_URL: it names no file by its whole path; write "
            "sqlite:////folder/name.sqlite3, with four slashes"
        )
    if not found["NAME"] and "service" not in found.get("OPTIONS", {}):
        raise ImproperlyConfigured(
            "DATABASE_URL: it names no database; write postgresql://user:password@host:5432/name"
        )


class Secrets(tuple[str, ...]):
    """Texts with passwords in them: a page about an error shows how many there are."""

    def __repr__(self) -> str:
        return f"<{len(self)} addresses>"


def read_postgis_servers() -> Secrets:
    """Return ``MARINEMAP_POSTGIS_SERVERS``: addresses of databases, with blanks between.

    Raises
    ------
    ImproperlyConfigured
        If one is no address. It is not repeated: it may hold a password.
    """
    found = Secrets(read_text("MARINEMAP_POSTGIS_SERVERS", "").split())
    for number, address in enumerate(found, 1):
        if not address.startswith(("postgresql://", "postgres://")):
            raise ImproperlyConfigured(
                f"MARINEMAP_POSTGIS_SERVERS: number {number} is no address; write "
                "postgresql://user:password@host:5432/database, several with blanks between"
            )
    return found


def read_source_prefixes() -> Secrets:
    """Return ``MARINEMAP_SOURCE_PREFIXES``: beginnings of addresses, with blanks between.

    Raises
    ------
    ImproperlyConfigured
        If one is no address. It is not repeated: it may hold a password.
    """
    found = Secrets(read_text("MARINEMAP_SOURCE_PREFIXES", "").split())
    for number, address in enumerate(found, 1):
        if not address.startswith(("https://", "http://", "s3://")):
            raise ImproperlyConfigured(
                f"MARINEMAP_SOURCE_PREFIXES: number {number} is no address; write "
                "https://host/folder/ or s3://bucket/prefix/, several with blanks between"
            )
    return found


def read_broker(database_url: str) -> str:
    """Return ``CELERY_BROKER_URL``, or the URL of the message queue that lives in the database.

    Raises
    ------
    ImproperlyConfigured
        If Celery has no such broker, or none is named and the database is neither SQLite nor
        PostgreSQL.
    """
    given = read_text("CELERY_BROKER_URL", "")
    if not given:
        return queue_in(database_url)
    # Imported here: commands that have nothing to do with the queue start without it.
    from kombu.transport import TRANSPORT_ALIASES

    scheme = _scheme_of(given)
    # What is in memory is in that of one process, and reaches no other.
    known = {*TRANSPORT_ALIASES, "marinemap"} - {"memory"}
    if scheme not in known:
        raise ImproperlyConfigured(
            f"CELERY_BROKER_URL: '{quote(scheme)}' is no broker.{did_you_mean(scheme, known)} "
            "Leave it out for the queue in the database, or write amqp://... or redis://..."
        )
    _check_broker(given)
    return given


def _check_broker(address: str) -> None:
    """Refuse what its client would, at the first order; nothing of it is shown."""
    if _scheme_of(address) == "marinemap":
        kind, _, rest = address.partition("+")[2].partition(":")
        is_sound = kind.startswith("postgres") or (kind == "sqlite" and rest.startswith("////"))
    else:
        # Several, with semicolons between, are tried in turn.
        is_sound = all(_is_broker(each) for each in address.split(";"))
    if not is_sound:
        raise ImproperlyConfigured(
            "CELERY_BROKER_URL: it cannot be read; write amqp://user:password@host:5672/vhost or "
            f"redis://:password@host:6379/0, {_ODD_CHARACTERS}"
        )


def _is_broker(address: str) -> bool:
    try:
        parts = urlsplit(address)
        is_sound = parts.port != 0
    except ValueError:
        return False
    # Redis has numbers for databases, and calls them by no name.
    is_number = parts.scheme not in ("redis", "rediss") or parts.path.strip("/").isdecimal()
    return is_sound and "://" in address and "#" not in address and (is_number or parts.path in "/")


def _scheme_of(address: str) -> str:
    return address.partition("://")[0].partition("+")[0]


def broker_options(broker_url: str) -> dict[str, Any]:
    """Return what a broker is to be told beyond its address (``broker_transport_options``)."""
    scheme = _scheme_of(broker_url)
    if scheme in ("redis", "rediss", "sentinel", "valkey", "valkeys"):
        # By itself Redis gives what a worker has held for an hour to another as well, again and
        # again. A dead worker's jobs are found by their rows.
        return {"visibility_timeout": 24 * 3600}
    if scheme in ("amqp", "amqps", "pyamqp"):
        # A publish returns when RabbitMQ has the message, and fails where it has not.
        return {"confirm_publish": True}
    return {}


def queue_in(database_url: str) -> str:
    """Return the URL of the message queue in a database.

    Raises
    ------
    ImproperlyConfigured
        If the database is neither SQLite nor PostgreSQL.
    """
    scheme, _, rest = database_url.partition(":")
    if scheme not in _QUEUE_DATABASES:
        raise ImproperlyConfigured(
            f"DATABASE_URL: '{quote(scheme)}' cannot hold the message queue; use sqlite or "
            "postgresql, or point CELERY_BROKER_URL at a broker of your own"
        )
    return f"marinemap+{_QUEUE_DATABASES[scheme]}:{rest}"
