"""What the queue asks of a database; SQLite and PostgreSQL answer it each in their own way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from ..options import Options
from ..providers import find_caller_transaction
from .pool import Pool
from .watching import Watcher

# A row, its columns by name (a named tuple made for the statement).
Row = Any


class Session(Protocol):
    """A connection on which statements are run, each committed by itself."""

    def run(self, statement: str, **parameters: Any) -> list[Row]:
        """Run a statement written in the words of its database; return its rows.

        Raises
        ------
        AwayError
            The database is gone, or gave the statement up.
        """

    def begin(self) -> AbstractContextManager[None]:
        """Let what runs inside commit together, or not at all."""

    def close(self) -> None:
        """Close the connection."""


@dataclass(frozen=True)
class Stored:
    """How many messages an insert has stored, where, and who slept, to be told after the commit."""

    count: int = 0
    queue_names: frozenset[str] = frozenset()
    expected_in: frozenset[str] = frozenset()
    is_delayed: bool = False

    def __add__(self, other: Stored) -> Stored:
        return Stored(
            self.count + other.count,
            self.queue_names | other.queue_names,
            self.expected_in | other.expected_in,
            self.is_delayed or other.is_delayed,
        )


@dataclass(frozen=True)
class Claim:
    """What a look at a queue brought.

    Parameters
    ----------
    messages : list of Row
        ``id queue_name priority attempts payload task_name is_stray``; stray ones belong to a
        task that has a rate though they were not stored so.
    acknowledged : int
        How many of the acknowledgements written with it were this consumer's to make.
    limited : str
        JSON: ``[[task_name, max_starts, window_ms], ...]`` of the tasks with a rate of which
        messages wait in the queue.
    """

    messages: list[Row]
    acknowledged: int
    limited: str


class Life(Protocol):
    """How consumers show that they live, and how others see that one does not."""

    def begin(self, session: Session, consumer_id: str) -> None:
        """Show signs of life from now on."""

    def end(self, consumer_id: str) -> None:
        """Show none any more."""

    def find_dead(self, consumers: list[Row]) -> list[Row]:
        """Return those of all consumers (``consumer_id hostname process_id lease_expires_at_ms
        lease_ms lock_offset``) that have died."""

    def forget(self) -> None:
        """Forget what was seen so far: there was a time when nothing could be seen."""


class Database(ABC):
    """A queue's database, shared by all connections of this process to it."""

    name: str
    # Whether a caller's transaction holds a lock that keeps us from declaring beside it.
    declares_with_caller: bool
    # For so long after its start the database gives out no messages: consumers that lived
    # through it say first what they hold.
    settling_seconds: float = 0.0

    def __init__(self, url: str, options: Options) -> None:
        self.url = url
        self.options = options
        self.pool = Pool(self.open_session)
        # Of messages that a lost connection left nobody knows whether stored; the latest last.
        self.uncertain_ids: dict[str, None] = {}

    # -- sessions

    @abstractmethod
    def open_session(self) -> Session:
        """Connect anew; who asked closes it."""

    def open_consumer_session(self) -> Session:
        """Connect anew, for a consumer's own use."""
        return self.open_session()

    @abstractmethod
    def join(self, connection: Any) -> Session:
        """Return a session on the caller's connection, in the caller's transaction."""

    def session(self) -> AbstractContextManager[Session]:
        """Lend a session of the pool."""
        return self.pool.lend()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Lend a session whose statements commit together."""
        with self.session() as session, session.begin():
            yield session

    @contextmanager
    def publishing(self) -> Iterator[Session]:
        """Lend the caller's transaction on this database, else a session of our own."""
        caller = find_caller_transaction(self.url)
        if caller is not None:
            yield self.join(caller.connection)
        else:
            with self.session() as session:
                yield session

    def declaring(self) -> AbstractContextManager[Session]:
        """Lend a session to declare in, which outlasts the caller's transaction if it can."""
        return self.publishing() if self.declares_with_caller else self.session()

    @abstractmethod
    def verify(self, session: Session) -> None:
        """Refuse a database that may lose what it said was stored."""

    @abstractmethod
    def read_revision(self, session: Session) -> Row | None:
        """Return ``version revision oldest_code`` of the tables; None where there are none."""

    @abstractmethod
    def upgrading(self, session: Session) -> AbstractContextManager[None]:
        """Keep others from upgrading at the same time; what runs inside commits together."""

    # -- messages

    @abstractmethod
    def store(self, session: Session, insert: str, **parameters: Any) -> Stored:
        """Run an insert of `publishing` that ends in ``RETURNING queue_name, due_at_ms``.

        Who expects the messages has yet to be told: see `notify`.
        """

    @abstractmethod
    def claim(
        self,
        session: Session,
        consumer_id: str,
        queue_name: str,
        room: int,
        acknowledged: list[int],
    ) -> Claim:
        """Delete what is acknowledged and claim the first messages of a queue, both or neither."""

    @abstractmethod
    def claim_limited(self, session: Session, **parameters: Any) -> list[Row] | None:
        """Claim the next messages of a limited task, and write its window with their count.

        Parameters
        ----------
        consumer_id, task_name, queue_name, room
            What to claim, at most `room`.
        max_starts, window_ms, recent_starts
            The rate's row as it was read. Where it has changed since, or another has it locked,
            nothing is claimed, and None returned.
        before, count, after
            The window to write: `count` and how many were claimed stands between two texts.
        hurries : bool
            Whether the starts need not outlive a crash of the server.
        """

    @abstractmethod
    def take(self, session: Session, consumer_id: str, queue_name: str, room: int) -> Claim:
        """Delete the first messages of a queue and return them: no acknowledgement is wanted."""

    @abstractmethod
    def acknowledge(self, session: Session, consumer_id: str, acknowledged: list[int]) -> int:
        """Delete messages as far as the consumer still holds them; return how many it did."""

    @abstractmethod
    def bury(self, session: Session, which: str, reason: str, **parameters: Any) -> list[Row]:
        """Move messages to the dead letters; return ``message_id queue_name`` of each."""

    @abstractmethod
    def hurry(self, session: Session) -> None:
        """Let the transaction that was just begun not wait for the disk: it stores nothing new."""

    # -- waking and living

    @abstractmethod
    def notify(
        self, session: Session, queue_names: Iterable[str], *, is_delayed: bool = False
    ) -> None:
        """Wake the consumers of some queues; best after the commit that they are to see."""

    @abstractmethod
    def notify_all(self, session: Session) -> None:
        """Wake all consumers: a rate has changed."""

    @abstractmethod
    def watch(self, session: Session) -> Watcher:
        """Return what wakes a consumer whose session this is."""

    @abstractmethod
    def make_life(self) -> Life:
        """Return a consumer's part in living and dying."""

    @abstractmethod
    def find_long_transactions(self, session: Session) -> list[str]:
        """Return a line for each transaction that has been open for long and hurts the queue."""

    def close(self) -> None:
        """Close the idle connections."""
        self.pool.close()
