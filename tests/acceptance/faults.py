"""What can befall a running site, each fault ended again by whoever caused it."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psycopg

from marinemap.transport.database.sqlite_session import durable_pragmas
from tests.postgresql import Cluster
from tests.process_tree import children_of, command_of
from tests.running_site import RunningSite, wait_for
from tests.transport.interference import FakeClock

# Longer than the lease of a worker's messages, 20 s.
_FROZEN_SECONDS = 25
_LEASE_OF_SCHEDULE_SECONDS = 35
_SHORT_SECONDS = 3
WORKERS = ("worker", "second")


@dataclass
class Faults:
    """Breaks parts of a site by chance, and mends them.

    ``deaths`` counts the runs that a fault may have ended, as far as it can tell.
    """

    site: RunningSite
    chance: random.Random
    small_disk: Path | None
    cluster: Cluster | None = None
    # By which the server of the database lives.
    clock: FakeClock | None = None
    # Kinds to cause; by default all.
    only: frozenset[str] = frozenset()
    deaths: int = 0
    done: list[str] = field(default_factory=list)
    _order: list[int] = field(default_factory=list)

    def cause(self, number: int) -> None:
        """Cause one fault and mend it; each kind comes once before one comes twice.

        Raises
        ------
        ValueError
            If a kind that was asked for does not befall this site.
        """
        known = dict(self._kinds())
        if unknown := self.only - known.keys():
            raise ValueError(f"CHAOS_ONLY: {sorted(unknown)} are none of {sorted(known)}")
        kinds = [kind for kind in known.items() if not self.only or kind[0] in self.only]
        place = number % len(kinds)
        if place == 0:
            self._order = self.chance.sample(range(len(kinds)), len(kinds))
        name, fault = kinds[self._order[place]]
        self.done.append(name)
        fault()

    def _kinds(self) -> Iterator[tuple[str, Callable[[], None]]]:
        yield "worker killed", self._kill_worker
        yield "worker and caretaker killed", self._kill_group
        yield "pool child killed", self._kill_child
        yield "pool child stopped", self._stop_child
        yield "worker frozen past its lease", self._freeze_worker
        yield "caretaker killed", self._kill_caretaker
        yield "caretaker frozen past its lease", self._freeze_caretaker
        yield "another beat", self._start_beat
        yield "web server killed", self._kill_web
        if self.small_disk is not None:
            yield "disk full", self._fill_disk
        if self.cluster is None:
            yield "database locked", self._lock_file
            if not _has_log():
                yield "database cannot be written", self._block_journal
        else:
            yield "table locked", self._lock_table
            yield "connections cut", self._cut_connections
            yield "database restarted", self._restart_database
            yield "database mute", self._mute_database
            yield "database's clock set forward", partial(self._set_clock, 3600)
            yield "database's clock set back", partial(self._set_clock, -3600)
            yield "database read-only", self._make_read_only

    def _kill_worker(self) -> None:
        name = self.chance.choice(WORKERS)
        os.kill(self.site.pid(name), signal.SIGKILL)
        self._start_again(name)

    def _kill_group(self) -> None:
        self._start_again(self.chance.choice(WORKERS))

    def _start_again(self, name: str) -> None:
        self.deaths += 1
        self.site.signal(name, signal.SIGKILL)
        self.site.start_worker("-B", "-n", f"{name}@%h", name=name)

    def _kill_child(self) -> None:
        for child in self._children(is_caretaker=False):
            self.deaths += 1
            _send(child, signal.SIGKILL)

    def _stop_child(self) -> None:
        children = self._children(is_caretaker=False)
        with _stopped(children, _SHORT_SECONDS):
            pass

    def _freeze_worker(self) -> None:
        worker = self.site.pid(self.chance.choice(WORKERS))
        self.deaths += 1
        with _stopped([worker, *children_of(worker)], _FROZEN_SECONDS):
            pass

    def _kill_caretaker(self) -> None:
        for caretaker in self._caretakers():
            _send(caretaker, signal.SIGKILL)

    def _freeze_caretaker(self) -> None:
        with _stopped(self._caretakers(), _LEASE_OF_SCHEDULE_SECONDS):
            pass

    def _start_beat(self) -> None:
        path = self.site.logs / "beat.log"
        beat = self.site.start_beat()
        try:
            wait_for(lambda: "beat: Starting" in path.read_text(), "a further beat", 300)
            time.sleep(self.chance.uniform(_SHORT_SECONDS, 4 * _SHORT_SECONDS))
        finally:
            beat.send_signal(self.chance.choice([signal.SIGTERM, signal.SIGKILL]))
            beat.wait(180)

    def _kill_web(self) -> None:
        self.site.signal("web", signal.SIGKILL)
        self.site.start_web()

    def _fill_disk(self) -> None:
        assert self.small_disk is not None
        filler = self.small_disk / "filler"
        try:
            with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                while file.write(b"\0" * 65536):
                    pass
            time.sleep(_SHORT_SECONDS)
        finally:
            filler.unlink()

    def _lock_file(self) -> None:
        # Now and then for longer than anybody waits for it, 30 s.
        seconds = 35 if self.chance.random() < 0.2 else _SHORT_SECONDS
        with self._file_locked():
            time.sleep(seconds)

    def _block_journal(self) -> None:
        # Root writes to a read-only file, too; nobody writes without a journal.
        journal = self.site.home / "marinemap.sqlite3-journal"
        with self._file_locked():
            # Whoever has this lock has undone what an unfinished journal was for.
            journal.unlink(missing_ok=True)
            journal.mkdir()
        try:
            time.sleep(_SHORT_SECONDS)
        finally:
            journal.rmdir()

    @contextlib.contextmanager
    def _file_locked(self) -> Iterator[None]:
        path = self.site.home / "marinemap.sqlite3"
        with contextlib.closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            yield

    def _lock_table(self) -> None:
        with self._connect() as other:
            other.execute("BEGIN")
            other.execute("LOCK TABLE jobs_job IN ACCESS EXCLUSIVE MODE")
            time.sleep(_SHORT_SECONDS)

    def _cut_connections(self) -> None:
        self.deaths += len(WORKERS)
        with self._connect() as other:
            other.execute(_CUT)

    def _restart_database(self) -> None:
        assert self.cluster is not None
        self.deaths += len(WORKERS)
        self.cluster.stop(self.chance.choice(["fast", "immediate"]))
        time.sleep(_SHORT_SECONDS)
        self.cluster.start(self.clock.environment if self.clock else None)

    def _mute_database(self) -> None:
        assert self.cluster is not None
        self.deaths += len(WORKERS)
        server = int((Path(self.cluster.data) / "postmaster.pid").read_text().split()[0])
        # Whoever connects or asks has no answer, and is not refused.
        with _stopped([server, *children_of(server)], _FROZEN_SECONDS):
            pass

    def _set_clock(self, seconds: float) -> None:
        assert self.clock is not None
        self.clock.set(seconds)
        try:
            with self._connect() as other:
                (told,) = other.execute("SELECT extract(epoch FROM clock_timestamp())").fetchone()
            assert abs(float(told) - time.time() - seconds) < abs(seconds) / 2, "no clock was set"
            time.sleep(_SHORT_SECONDS)
        finally:
            self.clock.set(0)

    def _make_read_only(self) -> None:
        self.deaths += len(WORKERS)
        with self._connect() as other:
            name = other.info.dbname
            other.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
            other.execute(_CUT)
            time.sleep(_SHORT_SECONDS)
            other.execute("SET default_transaction_read_only = off")
            other.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
            other.execute(_CUT)

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self.site.environment["DATABASE_URL"], autocommit=True)

    def _caretakers(self) -> list[int]:
        return wait_for(lambda: self._children(is_caretaker=True), "a caretaker")

    def _children(self, is_caretaker: bool) -> list[int]:
        worker = self.site.pid(self.chance.choice(WORKERS))
        return [child for child in children_of(worker) if _is_caretaker(child) is is_caretaker]


_CUT = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND datname = current_database()
"""


def _has_log() -> bool:
    """Tell whether this SQLite writes ahead, without a journal."""
    return "PRAGMA journal_mode=WAL" in durable_pragmas(sqlite3.sqlite_version_info)


@contextlib.contextmanager
def _stopped(processes: list[int], seconds: float) -> Iterator[None]:
    for process in processes:
        _send(process, signal.SIGSTOP)
    try:
        time.sleep(seconds)
        yield
    finally:
        for process in processes:
            _send(process, signal.SIGCONT)


def _send(process: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


def _is_caretaker(process: int) -> bool:
    return b"--caretaker-of" in command_of(process)
