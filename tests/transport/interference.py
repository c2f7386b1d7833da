"""What goes wrong between a process and its database, made to happen when a test says so."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from tests.postgresql import skip_or_fail
from tests.transport.conftest import Broker

# The key of the advisory lock that holds up statements; any number will do.
_GATE = 20261121


class Proxy:
    """A TCP proxy on loopback before a server, which cuts, loses or keeps what passes it."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        # Connections made up to this number are mute.
        self._mute_up_to = -1
        # How many connections there have been.
        self.made = 0
        self._cuts = 0
        self._losing: bytes | None = None
        self.lost = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def mute(self) -> None:
        """Pass nothing on any more, and close nothing: as a cable pulled out."""
        self._mute_up_to = 1 << 30

    def revive(self) -> None:
        """Let new connections pass; those that are open stay mute."""
        self._mute_up_to = self.made

    def lose_answer(self, part: bytes) -> None:
        """Cut the connection on which the server next answers with `part`, in its place."""
        self.lost.clear()
        self._losing = part

    def cut(self) -> None:
        """Close all connections."""
        self._cuts += 1

    def close(self) -> None:
        """Close all connections and take no more."""
        self.cut()
        # Closing alone would not wake who waits in `accept`.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        cuts = self._cuts
        self.made += 1
        number = self.made
        with client, contextlib.suppress(OSError):
            server = socket.create_connection(("127.0.0.1", self._server_port))
            with server:
                while self._cuts == cuts and self._pass_on(client, server, number):
                    pass

    def _pass_on(self, client: socket.socket, server: socket.socket, number: int) -> bool:
        for source in select.select([client, server], [], [], 0.02)[0]:
            if number <= self._mute_up_to:
                time.sleep(0.02)
                continue
            data = source.recv(1 << 16)
            if not data:
                return False
            if source is server and self._losing is not None and self._losing in data:
                self._losing = None
                self.lost.set()
                return False
            (server if source is client else client).sendall(data)
        return True


@contextlib.contextmanager
def proxied(broker: Broker) -> Iterator[tuple[Broker, Proxy]]:
    """Yield the same broker as reached through a proxy, and the proxy."""
    address, _, name = broker.url.rpartition("/")
    head, _, port = address.rpartition(":")
    proxy = Proxy(int(port))
    through = Broker(f"{head}:{proxy.port}/{name}", broker.options)
    try:
        yield through, proxy
    finally:
        proxy.cut()
        proxy.revive()
        through.close()
        proxy.close()


@contextlib.contextmanager
def held_up(broker: Broker, event: str, table: str, condition: str = "true") -> Iterator[None]:
    """Hold up, on PostgreSQL, every statement that changes such a row, until the end.

    Parameters
    ----------
    event : str
        ``UPDATE``, ``INSERT`` or ``DELETE``.
    condition : str
        Of the row, as ``OLD`` or ``NEW``.
    """
    with psycopg.connect(broker.url, autocommit=True) as holder:
        holder.execute(f"SELECT pg_advisory_lock({_GATE})")
        holder.execute(
            "CREATE OR REPLACE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$"
            f"BEGIN PERFORM pg_advisory_xact_lock_shared({_GATE}); "
            "RETURN COALESCE(NEW, OLD); END $$"
        )
        holder.execute(
            f"CREATE TRIGGER gate BEFORE {event} ON {table} FOR EACH ROW "
            f"WHEN ({condition}) EXECUTE FUNCTION wait_at_gate()"
        )
        try:
            yield
        finally:
            holder.execute(f"SELECT pg_advisory_unlock({_GATE})")
            holder.execute(f"DROP TRIGGER gate ON {table}")


@contextlib.contextmanager
def held_up_reading(broker: Broker, table: str) -> Iterator[psycopg.Connection]:
    """Hold up, on PostgreSQL, whoever reads a row of a table, after having begun to.

    Yields a connection to which the table is ``kept``, and open.
    """
    with psycopg.connect(broker.url, autocommit=True) as holder:
        holder.execute(f"SELECT pg_advisory_lock({_GATE})")
        holder.execute(
            "CREATE OR REPLACE FUNCTION pass_gate() RETURNS boolean LANGUAGE plpgsql AS $$"
            f"BEGIN PERFORM pg_advisory_xact_lock_shared({_GATE}); RETURN true; END $$"
        )
        holder.execute(f"ALTER TABLE {table} RENAME TO kept")
        holder.execute(f"CREATE VIEW {table} AS SELECT * FROM kept WHERE pass_gate()")
        try:
            yield holder
        finally:
            holder.execute(f"SELECT pg_advisory_unlock({_GATE})")


def count_waiting_at_gate(broker: Broker) -> int:
    """Return how many statements are held up."""
    return int(
        broker.rows(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted "
            f"AND objid = {_GATE}"
        )[0][0]
    )


def descriptors() -> set[str]:
    """Return this process's open descriptors."""
    return set(os.listdir("/proc/self/fd"))


class FakeClock:
    """A clock for other processes, which a test sets; elapsed time goes on as it is."""

    def __init__(self, folder: Path) -> None:
        libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
        if not shutil.which("faketime") or not libraries:
            skip_or_fail("libfaketime is missing: sudo apt install faketime")
        self._file = folder / "clock"
        self._file.write_text("+0\n")
        self._file.chmod(0o644)
        self.environment = {
            "LD_PRELOAD": str(libraries[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # libfaketime would share its start time by a semaphore that is never removed.
            "FAKETIME_DISABLE_SHM": "1",
        }

    def set(self, seconds: float) -> None:
        """Set the clock so far before or after the true time."""
        other = self._file.with_name("clock-new")
        other.write_text(f"{seconds:+.3f}\n")
        other.chmod(0o644)
        other.rename(self._file)


def cut_connections(broker: Broker) -> None:
    """End every connection of the queue."""
    with psycopg.connect(broker.url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND application_name LIKE 'marinemap-%'"
        )
