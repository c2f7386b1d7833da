"""Measure the broker beside RabbitMQ, Redis, kombu's SQLAlchemy transport and the bare driver.

    python -m benchmarks broker             about a quarter of an hour
    python -m benchmarks broker --quick     a smoke run, whose figures mean little

All brokers run the same app: one worker with one prefork child and Celery's default flags,
late acknowledgement, the same prefetch, no result backend, log level WARNING. All servers are
started for this run on loopback ports with their data in one folder, and take turns.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks import broker_report as report
from benchmarks.broker_backlog import (
    measure_claims,
    measure_held_transaction,
    measure_workers,
)
from benchmarks.broker_crowds import measure_crowd, measure_limited, measure_publishers
from benchmarks.broker_measures import (
    Figures,
    insert_into_postgresql,
    insert_into_sqlite,
    measure_idle,
    publish_and_drain,
)
from benchmarks.broker_peers import Brokers
from benchmarks.broker_strains import measure_connections, measure_neighbours, measure_owners
from benchmarks.machine import describe_load, describe_machine

# A file of more than memory is on the disk; /tmp may be in memory.
_FOLDER = Path("/var/tmp")
# What all brokers are measured by; the other parts are about the transport alone.
_SHARED = {"rates", "idle", "publishers", "crowd"}
_PUBLISHERS = (1, 4, 16)
PARTS = (
    "rates",
    "idle",
    "connections",
    "publishers",
    "limited",
    "crowd",
    "claims",
    "owners",
    "workers",
    "held",
)


def main() -> None:
    """Measure what the options ask for and print it."""
    options = _read_options()
    # Servers and workers are stopped on the way out, also when told to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with _temporary_folder(options.folder) as folder, ExitStack() as servers:
        run = _Run(options, folder, servers)
        run.brokers.start()
        run.print_machine()
        results = run.measure()
        print(f"\n{report.format_figures(results.figures)}\n")
        print(report.format_strains(results))
        print(f"\nratios and targets ({describe_load()} at the end)")
        print(report.format_targets(results))


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a smoke run of about a minute")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to run")
    parser.add_argument("--brokers", help="brokers whose name has one of these words, by comma")
    parser.add_argument("--messages", type=int, help="messages published and drained (5000)")
    parser.add_argument("--calls", type=int, help="calls of an idle worker (300)")
    parser.add_argument("--backlog", type=int, help="the long backlog (1000000)")
    parser.add_argument("--owners", type=int, help="messages that wait, of as many owners (100000)")
    parser.add_argument("--held", type=int, help="drained beside a long transaction (200000)")
    parser.add_argument("--repetitions", type=int, help="of each figure (3)")
    parser.add_argument("--workers", type=int, help="the many workers, against 2 (16)")
    parser.add_argument(
        "--idle-seconds", type=float, help="for which idle workers are watched (20)"
    )
    parser.add_argument("--prefetch", type=int, default=4, help="messages a worker holds (4)")
    parser.add_argument("--folder", type=Path, default=_FOLDER, help=f"for data ({_FOLDER})")
    options = parser.parse_args()
    full = {
        "messages": 5000,
        "calls": 300,
        "backlog": 1_000_000,
        "held": 200_000,
        "owners": 100_000,
    }
    full |= {"repetitions": 3, "workers": 16, "idle_seconds": 20}
    quick = {"messages": 300, "calls": 20, "backlog": 20_000, "held": 2_000, "owners": 2_000}
    quick |= {"repetitions": 1, "workers": 4, "idle_seconds": 3}
    for name, value in (quick if options.quick else full).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


@contextmanager
def _temporary_folder(parent: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="marinemap-benchmark-", dir=parent))
    # PostgreSQL runs as another user, who must be able to reach its folder within.
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Run:
    """One run: the brokers that take part, and what is measured of them."""

    def __init__(self, options: argparse.Namespace, folder: Path, servers: ExitStack) -> None:
        self.options = options
        self.folder = folder
        words = options.brokers.split(",") if options.brokers else [""]
        is_shared = bool(_SHARED & set(options.only))
        self.brokers = Brokers(folder, servers, words, is_shared, options.prefetch)

    def print_machine(self) -> None:
        """Print what the figures were taken on, and how."""
        packages = ("celery", "kombu", "amqp", "sqlalchemy", "psycopg")
        for line in describe_machine(self.folder, packages):
            print(line)
        print(", ".join([f"SQLite {sqlite3.sqlite_version}", *self.brokers.programs]))
        print(
            f"{self.options.messages:,} messages, {self.options.repetitions} repetitions in turn, "
            f"medians; late acknowledgement, prefetch {self.options.prefetch}, one prefork child"
        )

    def measure(self) -> report.Results:
        """Measure the parts that were asked for."""
        self._figures: dict[str, Figures] = {
            broker.name: Figures() for broker in self.brokers.started
        }
        results = report.Results(self._figures)
        parts: dict[str, Callable[[report.Results], None]] = {
            "rates": self._measure_rates,
            "idle": self._measure_idle,
            "publishers": self._measure_publishers,
            "limited": self._measure_limited,
            "crowd": self._measure_crowd,
            "connections": self._measure_connections,
            "claims": self._measure_claims,
            "owners": self._measure_owners,
            "workers": self._measure_workers,
            "held": self._measure_held,
        }
        for name in self.options.only:
            _say(f"measuring {name}")
            parts[name](results)
        return results

    def _measure_rates(self, results: report.Results) -> None:
        for name in report.FLOORS.values():
            self._figures[name] = Figures()
        for _ in range(self.options.repetitions):
            for broker in self.brokers.started:
                _say(f"  {broker.name}")
                self._measure_floor(broker.name)
                publish_and_drain(broker, self._figures[broker.name], self.options.messages)

    def _measure_floor(self, name: str) -> None:
        """Right before the transport on the same database: a shared disk's speed changes."""
        count = self.options.messages
        if name == report.POSTGRESQL:
            rate = insert_into_postgresql(self.brokers.database_url("postgres"), count)
        elif name == report.SQLITE:
            rate = insert_into_sqlite(self.folder / "floor.sqlite3", count)
        else:
            return
        self._figures[report.FLOORS[name]].publish_rates.append(rate)

    def _measure_idle(self, results: report.Results) -> None:
        options = self.options
        windows, seconds = options.repetitions, options.idle_seconds
        measure_idle(self.brokers.started, self._figures, options.calls, windows, seconds)

    def _measure_publishers(self, results: report.Results) -> None:
        for broker in self.brokers.peers:
            _say(f"  {broker.name}")
            found = measure_publishers(broker, _PUBLISHERS, self.options.messages)
            results.publisher_rates[broker.name] = found

    def _measure_limited(self, results: report.Results) -> None:
        for broker in self.brokers.floors:
            _say(f"  {broker.name}")
            count = self.options.messages
            results.limited_rates[broker.name] = measure_limited(broker, count)

    def _measure_crowd(self, results: report.Results) -> None:
        options = self.options
        crowds = (2, max(3, options.workers // 2), options.workers)
        for broker in self.brokers.peers:
            _say(f"  {broker.name}")
            rates, idle = measure_crowd(
                broker, crowds, options.messages, options.repetitions, options.idle_seconds
            )
            results.crowd_rates[broker.name] = rates
            results.crowd_idle[broker.name] = idle

    def _measure_claims(self, results: report.Results) -> None:
        sizes = (1000, self.options.backlog)
        rounds = 10 if self.options.backlog > 100_000 else 3
        for name in [broker.name for broker in self.brokers.floors]:
            backlogs = {size: self.brokers.make_backlog(name, size) for size in sizes}
            results.claims[name] = measure_claims(backlogs, rounds, 200)
            results.neighbours[name] = measure_neighbours(backlogs, 3 * rounds)

    def _measure_owners(self, results: report.Results) -> None:
        waiting = self.options.owners
        rounds = 3 * self.options.repetitions
        for name in [broker.name for broker in self.brokers.floors]:
            backlogs = {many: self.brokers.make_backlog(name, many, "o") for many in (1, waiting)}
            results.owners[name] = measure_owners(backlogs, waiting, rounds)

    def _measure_connections(self, results: report.Results) -> None:
        for broker in self.brokers.floors:
            if broker.name == report.POSTGRESQL:
                results.connections = measure_connections(broker, self.options.idle_seconds)

    def _measure_workers(self, results: report.Results) -> None:
        if self.brokers.has_postgresql:
            backlog = self.brokers.make_backlog(report.POSTGRESQL, 2)
            options = self.options
            results.worker_rates = measure_workers(
                backlog, 2, options.workers, 4 * options.messages, options.repetitions
            )

    def _measure_held(self, results: report.Results) -> None:
        if self.brokers.has_postgresql:
            backlog = self.brokers.make_backlog(report.POSTGRESQL, 3)
            results.held_rates = measure_held_transaction(backlog, self.options.held)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
