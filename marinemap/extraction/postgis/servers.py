"""The PostGIS servers that layers may be read from, as the operator lists them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from marinemap.errors import DatasetError
from marinemap.extraction.postgis.table import Table
from marinemap.sentences import say


@dataclass(frozen=True)
class Server:
    """A database that may be read, and how to sign in to it.

    ``parameters`` are libpq's; they may hold a password, and are never shown.
    """

    host: str
    port: str
    database: str
    user: str
    parameters: dict[str, Any] = field(repr=False)

    @classmethod
    def parse(cls, address: str) -> Server:
        """Read ``postgresql://user:password@host:5432/database``.

        Raises
        ------
        ValueError
            If it cannot be read, or names no database; it is not repeated.
        """
        # Imported here: it takes long to import, and who knows no server needs none of it.
        import psycopg
        from psycopg.conninfo import conninfo_to_dict

        try:
            found = dict(conninfo_to_dict(address))
        except psycopg.Error:
            raise ValueError("it cannot be read") from None
        if not found.get("dbname"):
            raise ValueError("it names no database")
        host, port, database, user = (
            str(found.get(part) or "") for part in ("host", "port", "dbname", "user")
        )
        return cls(host, port or "5432", database, user, found)

    @property
    def name(self) -> str:
        """What people who may choose among databases are told; there is no password in it."""
        user = f"{self.user}@" if self.user else ""
        return f"{user}{self.host}:{self.port}/{self.database}"

    def holds(self, table: Table) -> bool:
        """Tell whether a table is said to be in this database."""
        is_user = table.user in ("", self.user)
        return is_user and (self.host, self.port, self.database) == (
            table.host,
            table.port,
            table.database,
        )


@dataclass
class _Allowed:
    servers: tuple[Server, ...] = ()
    seconds: float = 60.0


_allowed = _Allowed()


def allow_servers(servers: Sequence[Server], seconds: float = 60.0) -> None:
    """Let layers be read from some databases, and from no others.

    Parameters
    ----------
    servers : sequence of Server
    seconds : float
        How long a server may be silent before it is taken for away.
    """
    _allowed.servers, _allowed.seconds = tuple(servers), seconds


def allowed_servers() -> tuple[Server, ...]:
    """Return the databases that layers may be read from."""
    return _allowed.servers


def silent_seconds() -> float:
    """Return how long a server may be silent."""
    return _allowed.seconds


def server_of(table: Table) -> Server:
    """Return the server of a table.

    Raises
    ------
    DatasetError
        If the operator does not list it.
    """
    found = next((server for server in _allowed.servers if server.holds(table)), None)
    if found is None:
        raise DatasetError(
            say("the {name} is none that this site may read", name=table.name),
            field="source",
            hint=say(
                "Whoever runs the site lists the servers, with host, port and database "
                "as in the layer's address: "
                "MARINEMAP_POSTGIS_SERVERS=postgresql://user:password@host:5432/name"
            ),
        )
    return found
