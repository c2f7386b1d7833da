"""What a child process inherits, and must not use, close or believe."""

from __future__ import annotations

import gc
import os
import signal
import sqlite3
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.pool import QueuePool

from marinemap.transport.database import pool
from marinemap.transport.forks import ForkGuard, GuardedConnection, sqlite_guard
from tests.transport.conftest import Broker, Inbox, publish, wait_until


def fork(child: Callable[[], None]) -> int:
    """Run a function in a forked child; return its process id."""
    process_id = os.fork()
    if process_id == 0:
        try:
            # What hangs is ended, and so seen.
            signal.alarm(120)
            child()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return process_id


def exit_code(process_id: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process_id, 0)[1])


def test_children_of_a_process_that_has_published_publish(broker: Broker) -> None:
    """A plain fork, as of a web server that loads first, shared connections (13)."""
    connection = broker.connect()
    publish(connection, "parent")

    def child() -> None:
        for number in range(20):
            publish(connection, number)

    children = [fork(child) for _ in range(2)]
    for number in range(20):
        publish(connection, number)
    assert [exit_code(process_id) for process_id in children] == [0, 0]
    publish(connection, "parent again")
    assert broker.count("broker_messages") == 62


def test_two_threads_of_a_child_take_nothing_of_their_parents(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second took the parent's session while the first still made the child's pool."""
    sessions = broker.database.pool
    with sessions.lend() as session:
        parents = id(session.connection)
    making, made = threading.Event(), threading.Event()

    def make_slowly(*given: Any, **options: Any) -> QueuePool:
        if not making.is_set():
            making.set()
            made.wait(120)
        return QueuePool(*given, **options)

    def use() -> None:
        with sessions.lend() as session:
            session.run("SELECT 1 AS one")

    def child() -> None:
        monkeypatch.setattr(pool, "QueuePool", make_slowly)
        first = threading.Thread(target=use)
        first.start()
        making.wait(120)
        with sessions.lend() as session:
            assert id(session.connection) != parents
        made.set()
        first.join(120)

    assert exit_code(fork(child)) == 0


def test_child_forked_amid_a_transaction_reads_and_writes(broker: Broker) -> None:
    """SQLite's library keeps a process's locks in its memory: a child that inherits them taken
    could never write, and read without asking."""
    broker.options["busy_timeout_seconds"] = 3.0
    connection = broker.connect()
    publish(connection, "first")
    begun, forked, ended = threading.Event(), threading.Event(), threading.Event()

    def publish_batch() -> None:
        with broker.database.session() as session, session.begin():
            session.run("DELETE FROM broker_messages WHERE id = -1")
            begun.set()
            # A fork that waits for the end of this lets it come by itself.
            forked.wait(0.5)
        ended.set()

    reader, writer = os.pipe()

    def child() -> None:
        # Only when nobody else writes any more: so whoever fails waits for a lock of nobody.
        os.read(reader, 1)
        publish(connection, "child")

    publishing = threading.Thread(target=publish_batch)
    publishing.start()
    begun.wait(120)
    process_id = fork(child)
    forked.set()
    ended.wait(120)
    os.write(writer, b"x")
    assert exit_code(process_id) == 0
    os.close(reader)
    os.close(writer)


@contextmanager
def amid_a_transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    yield
    connection.execute("COMMIT")


@contextmanager
def amid_a_write_begun_by_the_driver(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("INSERT INTO notes VALUES ('mine')")
    yield
    connection.commit()


@contextmanager
def amid_a_transaction_that_is_given_up(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("INSERT INTO notes VALUES ('mine')")
    yield
    connection.rollback()


@contextmanager
def amid_a_transaction_that_is_closed(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("INSERT INTO notes VALUES ('mine')")
    yield
    connection.close()


@contextmanager
def amid_rows(connection: sqlite3.Connection) -> Iterator[None]:
    rows = connection.execute("SELECT * FROM notes")
    rows.fetchone()
    yield
    rows.fetchall()


@contextmanager
def amid_rows_one_by_one(connection: sqlite3.Connection) -> Iterator[None]:
    rows = iter(connection.execute("SELECT * FROM notes"))
    next(rows)
    yield
    list(rows)


@contextmanager
def amid_rows_that_are_left(connection: sqlite3.Connection) -> Iterator[None]:
    rows = connection.execute("SELECT * FROM notes")
    rows.fetchmany(2)
    yield
    rows.close()


@pytest.mark.parametrize(
    "amid",
    [
        amid_a_transaction,
        amid_a_write_begun_by_the_driver,
        amid_a_transaction_that_is_given_up,
        amid_a_transaction_that_is_closed,
        amid_rows,
        amid_rows_one_by_one,
        amid_rows_that_are_left,
    ],
)
def test_child_forked_while_the_application_uses_the_file_writes(
    tmp_path: Path, amid: Callable[[sqlite3.Connection], AbstractContextManager[None]]
) -> None:
    """A connection of the application's to the queue's file leaves the same traces."""
    file = tmp_path / "site.sqlite3"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE notes (word)")
        connection.executemany("INSERT INTO notes VALUES (?)", [("first",)] * 1_000)
    begun, forked, ended = threading.Event(), threading.Event(), threading.Event()

    def use() -> None:
        connection = sqlite3.connect(file, factory=GuardedConnection)
        with amid(connection):
            begun.set()
            # A fork that waits for the end of this lets it come by itself.
            forked.wait(0.5)
        connection.close()
        ended.set()

    reader, writer = os.pipe()

    def child() -> None:
        # When nobody else uses the file any more: so whoever fails waits for nobody's lock.
        os.read(reader, 1)
        with closing(sqlite3.connect(file, timeout=1)) as connection, connection:
            connection.execute("INSERT INTO notes VALUES ('child')")

    threading.Thread(target=use).start()
    begun.wait(120)
    process_id = fork(child)
    forked.set()
    ended.wait(120)
    os.write(writer, b"x")
    assert exit_code(process_id) == 0
    os.close(reader)
    os.close(writer)


def test_guard_is_closed_until_the_last_of_two_forks_is_done() -> None:
    """Of two threads that fork, the first to be done let others in amid the other's."""
    guard, entered = ForkGuard(), threading.Event()

    def enter() -> None:
        with guard:
            entered.set()

    guard._begin_fork()
    guard._begin_fork()
    guard._end_fork()
    entering = threading.Thread(target=enter)
    entering.start()
    assert not entered.wait(0.2)
    guard._end_fork()
    entering.join(120)
    assert entered.is_set()


def test_cursors_and_connections_that_nobody_has_any_more_hold_up_no_fork(tmp_path: Path) -> None:
    """What the garbage collector closes has left the guard, from whichever thread it was used."""

    def use() -> None:
        connection = sqlite3.connect(tmp_path / "site.sqlite3", factory=GuardedConnection)
        connection.execute("CREATE TABLE notes (word)")
        connection.executemany("INSERT INTO notes VALUES (?)", [("first",)] * 1_000)
        connection.execute("SELECT * FROM notes").fetchone()

    user = threading.Thread(target=use)
    user.start()
    user.join()
    # A connection is in a cycle of references with its statements.
    gc.collect()
    wait_until(sqlite_guard.is_alone, "leaving the guard")


def test_fork_is_not_held_up_by_a_transaction_that_stays_open(broker: Broker) -> None:
    """Waiting for the end of transactions has an end, as a caller's may be long."""
    publish(broker.connect(), "first")
    begun = time.monotonic()
    with broker.database.session() as session, session.begin():
        session.run("SELECT 1 AS one")
        assert exit_code(fork(lambda: None)) == 0
    assert time.monotonic() - begun < 60


def test_consumers_child_takes_nothing_and_its_end_gives_nothing_back(broker: Broker) -> None:
    """The parent's consumer, its lock and its messages are the parent's alone."""
    for body in range(3):
        publish(broker.connect(), body)
    inbox = Inbox(broker.connect(), prefetch_count=3)
    inbox.receive(3)
    for _ in range(3):
        assert exit_code(fork(lambda: inbox.connection.release())) == 0
    rival = Inbox(broker.connect(lease_seconds=1.0))
    # A look at the dead by the rival's janitor comes each quarter of a second.
    stranger = broker.connect()
    with closing(stranger):
        publish(stranger, "for the rival")
    assert rival.receive(1) == ["for the rival"]
    for message in inbox.messages:
        message.ack()
    wait_until(lambda: broker.count("broker_messages") == 1, "writing the acknowledgements")
    assert len(rival.messages) == 1


@pytest.mark.parametrize("broker", ["sqlite"], indirect=True)
def test_fork_leaves_no_descriptor_of_the_locks_open(broker: Broker) -> None:
    """A child that outlives its parent must not keep the parent's consumer alive."""
    inbox = Inbox(broker.connect())
    assert inbox.receives_nothing(0.05)
    reader, writer = os.pipe()

    def child() -> None:
        with_names = []
        for number in os.listdir("/proc/self/fd"):
            try:
                with_names.append(os.readlink(f"/proc/self/fd/{number}"))
            except FileNotFoundError:
                continue
        os.write(writer, str(sum(name.endswith("-consumers") for name in with_names)).encode())

    assert exit_code(fork(child)) == 0
    assert os.read(reader, 10) == b"0"
    os.close(reader)
    os.close(writer)
