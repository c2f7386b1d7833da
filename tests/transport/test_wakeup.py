"""What wakes an idle consumer of an SQLite file."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from kombu import Exchange, Queue

from marinemap.transport.database import sqlite_watcher
from marinemap.transport.database.filewatch import FileWatch, watch_file
from marinemap.transport.database.signals import Signal
from marinemap.transport.database.sqlite_session import SqliteSession
from marinemap.transport.database.sqlite_watcher import SqliteWatcher
from marinemap.transport.options import Options
from tests.transport.conftest import Broker, Inbox, publish


def write_to(path: Path, journal_mode: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode={journal_mode}")
        connection.execute("CREATE TABLE IF NOT EXISTS written (number INTEGER)")
        connection.execute("INSERT INTO written VALUES (1)")
        connection.commit()


@pytest.mark.parametrize("journal_mode", ["PERSIST", "DELETE", "WAL"])
def test_file_watch_tells_of_writes_to_its_file_only(tmp_path: Path, journal_mode: str) -> None:
    path = tmp_path / "watched.sqlite3"
    write_to(path, journal_mode)
    with closing(FileWatch(path)) as watch:
        write_to(tmp_path / "other.sqlite3", journal_mode)
        assert not watch.has_writes()
        write_to(path, journal_mode)
        assert watch.has_writes()
        assert not watch.has_writes()


def test_write_wakes_a_watcher_that_would_not_look_by_itself(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    if broker.dialect != "sqlite":
        pytest.skip("PostgreSQL notifies")
    monkeypatch.setattr(sqlite_watcher, "_WATCHED_POLL_SECONDS", 60.0)
    signal = Signal()
    giving_up = threading.Timer(10, signal.set)
    with broker.database.session() as session:
        watcher = broker.database.watch(session)
        # So long that it is idle.
        assert not watcher.wait(1, signal).is_any
        publish(broker.connect(), "now")
        giving_up.start()
        assert watcher.wait(60, signal).is_any
        assert not signal.wait(0)
        giving_up.cancel()
        watcher.close()


def test_long_commit_of_another_does_not_end_a_wait(tmp_path: Path) -> None:
    path = tmp_path / "busy.sqlite3"
    write_to(path, "DELETE")
    signal = Signal()
    with (
        closing(SqliteSession(str(path), 0.05)) as session,
        closing(sqlite3.connect(path)) as other,
    ):
        other.execute("BEGIN EXCLUSIVE")
        other.execute("INSERT INTO written VALUES (2)")
        watcher = SqliteWatcher(session.connection, path, Options())
        assert not watcher.wait(0.2, signal).is_any
        other.commit()
        assert watcher.wait(10, signal).is_any
        watcher.close()


def test_change_is_found_without_notifications(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    if broker.dialect != "sqlite":
        pytest.skip("PostgreSQL notifies")
    assert watch_file(Path("/no/such/folder/file")) is None
    with broker.database.session() as session:
        monkeypatch.setattr(sqlite_watcher, "watch_file", lambda path: None)
        watcher = SqliteWatcher(session.connection, Path(), Options(sqlite_poll_seconds=0.05))
        signal = Signal()
        assert not watcher.wait(0.2, signal).is_any
        publish(broker.connect(), "found")
        assert watcher.wait(5, signal).is_any
        watcher.close()


@pytest.mark.parametrize("names", [["two words"], [f"{'long' * 100}{n}" for n in range(30)]])
def test_message_wakes_for_each_queue_it_is_routed_to(broker: Broker, names: list[str]) -> None:
    """Also where a name has a space, or all together are longer than a notification may be."""
    everyone = Exchange("everyone", "fanout")
    inbox = Inbox(broker.connect(poll_seconds=60), *(Queue(name, everyone) for name in names))
    # So long that it is idle.
    assert inbox.receives_nothing(1)
    publish(broker.connect(), "hear", exchange=everyone, routing_key="", declare=[])
    assert inbox.receive(len(names), seconds=10) == ["hear"] * len(names)
