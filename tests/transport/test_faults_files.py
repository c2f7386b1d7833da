"""What may become of the files beside an SQLite database while workers run."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from time import monotonic
from uuid import uuid4

import pytest

from marinemap.transport.consuming.janitor import CONSUMERS
from marinemap.transport.database.bells import Listener, ring
from marinemap.transport.database.signals import Signal
from marinemap.transport.database.sqlite_life import LockFile
from marinemap.transport.errors import AwayError
from tests.transport.conftest import Broker, Inbox, publish, wait_until
from tests.transport.test_leases import start_holder, stop

pytestmark = pytest.mark.parametrize("broker", ["sqlite"], indirect=True)


def take_away(folder: Path) -> None:
    """In one step: whoever listens hangs up each bell that is missing, at any moment."""
    folder.rename(folder.with_name(f"{folder.name}-{uuid4()}"))


def replace(folder: Path, new: Path) -> None:
    """Let something stand in a folder's place before a listener has made the folder again."""
    deadline = monotonic() + 60
    while monotonic() < deadline:
        take_away(folder)
        # It was made again in between.
        with suppress(OSError):
            new.rename(folder)
            return
    raise TimeoutError(folder)


def become_file(folder: Path) -> None:
    new = folder.with_name("new")
    new.touch()
    replace(folder, new)


def become_loop(folder: Path) -> None:
    new = folder.with_name("new")
    new.symlink_to(folder)
    replace(folder, new)


def become_folders(folder: Path) -> None:
    new = folder.with_name("new")
    for number in range(256):
        (new / f"{number:02x}").mkdir(parents=True)
    replace(folder, new)


@pytest.mark.parametrize("become", [become_file, become_loop, become_folders])
def test_publish_is_no_failure_whatever_became_of_the_bells(
    broker: Broker, tmp_path: Path, become: Callable[[Path], None]
) -> None:
    """It raised though the message was stored, so whoever tried again stored it twice."""
    folder = tmp_path / "broker.sqlite3-bells"
    inbox = Inbox(broker.connect())
    assert inbox.receives_nothing(0.1)
    become(folder)
    publish(broker.connect(), "stored")
    assert inbox.receive(1) == ["stored"]


def test_bells_that_were_deleted_are_hung_up_again(broker: Broker, tmp_path: Path) -> None:
    """Each message took a second from then on."""
    bell = tmp_path / "broker.sqlite3-bells" / "all"
    inbox = Inbox(broker.connect())
    assert inbox.receives_nothing(0.1)
    take_away(bell.parent)
    wait_until(bell.exists, "hanging up the bells")


def test_bell_that_was_replaced_is_heard(broker: Broker, tmp_path: Path) -> None:
    database = tmp_path / "broker.sqlite3"
    with closing(Listener(database)) as listener:
        listener.listen({"00"})
        bell = tmp_path / "broker.sqlite3-bells" / "00"
        bell.rename(bell.with_name("gone"))
        bell.touch()
        listener.listen({"00"})
        listener.read()
        ring(database, ["00"])
        assert listener.read() == {"00"}


def test_message_without_a_bell_is_heard_beside_bells_that_ring_all_the_time(
    broker: Broker,
) -> None:
    """Whoever rang for another queue kept its consumer from asking the file at all."""
    with broker.database.session() as session, closing(broker.database.watch(session)) as watcher:
        watcher.follow(frozenset({"busy", "quiet"}))
        broker.rows("CREATE TABLE written (number INTEGER)")
        giving_up = threading.Event()
        timer = threading.Timer(120, giving_up.set)
        timer.start()
        is_heard = False
        while not is_heard and not giving_up.is_set():
            broker.database.notify(session, {"busy"})
            is_heard = watcher.wait(5, Signal()).is_any
        timer.cancel()
        assert is_heard


@pytest.mark.parametrize("kind", ["bells", "consumers"])
def test_nothing_is_made_through_a_link(broker: Broker, tmp_path: Path, kind: str) -> None:
    """A worker run as root would have made, and given away, whatever file the link named."""
    database, elsewhere = tmp_path / "other.sqlite3", tmp_path / "elsewhere"
    database.touch()
    if kind == "bells":
        (tmp_path / "other.sqlite3-bells").mkdir()
        (tmp_path / "other.sqlite3-bells" / "00").symlink_to(elsewhere)
        with closing(Listener(database)) as listener:
            listener.listen({"00"})
    else:
        (tmp_path / "other.sqlite3-consumers").symlink_to(elsewhere)
        with pytest.raises(AwayError, match=r"other\.sqlite3-consumers' cannot be used"):
            LockFile(database)
    assert not elsewhere.exists()


def test_locks_are_for_all_who_may_write_to_the_database(broker: Broker, tmp_path: Path) -> None:
    """Made by an administrator's command, it kept the site's own worker from starting."""
    database = tmp_path / "broker.sqlite3"
    database.chmod(0o664)
    if os.geteuid() == 0:
        os.chown(database, 65534, 65534)
    # No other test's children may find it open.
    os.close(LockFile(database)._descriptor)
    locks = (tmp_path / "broker.sqlite3-consumers").stat()
    assert locks.st_mode & 0o777 == 0o664
    assert (locks.st_uid, locks.st_gid) == (database.stat().st_uid, database.stat().st_gid)


def test_deleted_locks_give_nothing_away(broker: Broker, tmp_path: Path) -> None:
    """Whoever came later found nobody's lock, and took what the living worked on."""
    publish(broker.connect(), "mine")
    holder = start_holder(broker, lease_seconds=1)
    life = broker.database.make_life()
    try:
        (tmp_path / "broker.sqlite3-consumers").unlink()
        with broker.database.session() as session:
            consumers = session.run(CONSUMERS)
        assert len(consumers) == 1
        assert life.find_dead(consumers) == []
    finally:
        stop(holder)
    wait_until(lambda: life.find_dead(consumers), "taking it for dead")
