"""What wakes an idle consumer of an SQLite file."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from kombu import Exchange, Queue

from marinemap import transport
from marinemap.transport.consuming.claims import find_waiting
from marinemap.transport.database import postgresql_watcher, sqlite_watcher
from marinemap.transport.database.bells import Listener, bell_of, open_listener
from marinemap.transport.database.signals import Signal
from marinemap.transport.database.sqlite_session import SqliteSession
from marinemap.transport.database.sqlite_watcher import SqliteWatcher
from marinemap.transport.database.watching import Notice
from marinemap.transport.options import Options
from tests.transport.conftest import Broker, Inbox, publish, wait_until

needs_file = pytest.mark.parametrize("broker", ["sqlite"], indirect=True)


def write_to(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS written (number INTEGER)")
        connection.execute("INSERT INTO written VALUES (1)")
        connection.commit()


@needs_file
def test_bell_of_a_queue_is_heard_by_its_consumers_only(broker: Broker) -> None:
    """Each write to the file woke every consumer, which then asked it for a quarter of a second."""
    with broker.database.session() as session, closing(broker.database.watch(session)) as watcher:
        watcher.follow(frozenset({"tasks"}))
        assert bell_of("tasks") != bell_of("others")
        broker.database.notify(session, {"others"})
        broker.database.notify(session, {"tasks"}, is_delayed=True)
        assert watcher.wait(60, Signal()) == Notice(False, {"tasks"}, is_delayed=True)
        broker.database.notify_all(session)
        assert watcher.wait(60, Signal()).is_any


@needs_file
def test_bells_may_be_rung_by_all_who_may_write_to_the_file(broker: Broker, tmp_path: Path) -> None:
    path = tmp_path / "broker.sqlite3"
    path.chmod(0o664)
    with closing(Listener(path)) as listener:
        listener.listen({"00"})
    folder = path.with_name("broker.sqlite3-bells")
    assert folder.stat().st_mode & 0o777 == 0o775
    assert (folder / "00").stat().st_mode & 0o777 == 0o664


@needs_file
def test_bells_that_somebody_deletes_are_missed_by_nobody(broker: Broker, tmp_path: Path) -> None:
    inbox = Inbox(broker.connect())
    assert inbox.receives_nothing(0.1)
    # Out of the way first: a bell that is hung up again amid it would keep the folder.
    shutil.rmtree((tmp_path / "broker.sqlite3-bells").rename(tmp_path / "deleted"))
    publish(broker.connect(), "found")
    assert inbox.receive(1) == ["found"]


@needs_file
def test_publishing_wakes_a_watcher_that_would_not_look_by_itself(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_watcher, "_LISTENING_POLL_SECONDS", 60.0)
    signal = Signal()
    giving_up = threading.Timer(50, signal.set)
    with broker.database.session() as session:
        watcher = broker.database.watch(session)
        watcher.follow(frozenset({"tasks"}))
        publish(broker.connect(), "now")
        giving_up.start()
        assert watcher.wait(60, signal).queue_names == {"tasks"}
        assert not signal.wait(0)
        giving_up.cancel()
        watcher.close()


def test_long_commit_of_another_does_not_end_a_wait(tmp_path: Path) -> None:
    path = tmp_path / "busy.sqlite3"
    write_to(path)
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
        assert watcher.wait(60, signal).is_any
        watcher.close()


@needs_file
def test_change_is_found_without_bells(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_listener(Path("/no/such/folder/file")) is None
    with broker.database.session() as session:
        monkeypatch.setattr(sqlite_watcher, "open_listener", lambda path: None)
        watcher = SqliteWatcher(session.connection, Path(), Options(sqlite_poll_seconds=0.05))
        signal = Signal()
        assert not watcher.wait(0.2, signal).is_any
        publish(broker.connect(), "found")
        assert watcher.wait(60, signal).is_any
        watcher.close()


@pytest.mark.parametrize("names", [["two words"], [f"{'long' * 100}{n}" for n in range(30)]])
def test_message_wakes_for_each_queue_it_is_routed_to(broker: Broker, names: list[str]) -> None:
    """Also where a name has a space, or all together are longer than a notification may be."""
    everyone = Exchange("everyone", "fanout")
    inbox = Inbox(broker.connect(poll_seconds=60), *(Queue(name, everyone) for name in names))
    # So long that it is idle.
    assert inbox.receives_nothing(1)
    publish(broker.connect(), "hear", exchange=everyone, routing_key="", declare=[])
    assert inbox.receive(len(names), seconds=50) == ["hear"] * len(names)


def test_one_statement_tells_in_which_of_many_queues_messages_wait(broker: Broker) -> None:
    """A worker of 500 queues claimed from each, every 5 s: 16 % of a core, idle."""
    transport.use_task_rates(lambda: {"clip": "1/h"})
    connection = broker.connect()
    Inbox(connection, Queue("claimed"), prefetch_count=1)
    wait_until(lambda: broker.count("broker_rates"), "storing the rate")
    later = {"eta": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}
    for name, headers in {
        "ready": {},
        "claimed": {},
        "limited": {"task": "clip"},
        "due later": later,
        "of others": {},
    }.items():
        publish(connection, name, exchange="", routing_key=name, declare=[], headers=headers)
    wait_until(lambda: broker.count("broker_messages", "claimed_by IS NOT NULL"), "the claim")
    with broker.database.session() as session:
        asked = ["ready", "claimed", "limited", "due later", "empty", "two  words"]
        assert find_waiting(session, asked) == {"ready", "limited"}


@pytest.mark.parametrize("broker", ["postgresql"], indirect=True)
def test_consumer_of_many_queues_takes_none_of_the_servers_locks(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers of 5,000 queues took all that the server has, for the site's own tables too."""
    monkeypatch.setattr(postgresql_watcher, "_MOST_EXPECTED", 2)
    inbox = Inbox(broker.connect(poll_seconds=60), Queue("a"), Queue("b"), Queue("c"))
    assert inbox.receives_nothing(0.1)
    assert broker.rows("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]
    publish(broker.connect(), "found", exchange="", routing_key="b", declare=[])
    assert inbox.receive(1, seconds=50) == ["found"]
    inbox.channel.basic_cancel(inbox.channel._subscriptions.tags[0])
    publish(broker.connect(), "again", exchange="", routing_key="c", declare=[])
    assert inbox.receive(2, seconds=50) == ["found", "again"]
