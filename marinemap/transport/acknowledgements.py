"""What consumers have said about their messages and is not yet written."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any

from marinemap.transport import statements
from marinemap.transport.engine import Database
from marinemap.transport.leases import give_back_or_bury, notify
from marinemap.transport.sessions import DirectSession

logger = logging.getLogger(__name__)

# Most ids in one statement; more wait for the next.
_BATCH = 500
# Acknowledgements wait for up to so many times `flush_seconds` where this many more are likely
# to come meanwhile, as of many workers that share a processor: one statement then serves all.
_PATIENCE = 5
_WORTH_WAITING_FOR = 3


@dataclass(frozen=True)
class _Taken:
    acknowledged: list[int]
    requeued: list[int]
    unseen: list[int]
    rejected: list[tuple[int, str]]


class Acknowledgements:
    """Gathers acknowledgements from any thread, to be written together by one.

    Under the plain event loop Celery acknowledges from the thread that reads results, so only
    a deque's own atomic operations are used to add.
    """

    def __init__(self, database: Database, consumer_id: str) -> None:
        self._database = database
        self._consumer_id = consumer_id
        self._acknowledged: deque[int] = deque()
        self._requeued: deque[int] = deque()
        self._unseen: deque[int] = deque()
        self._rejected: deque[tuple[int, str]] = deque()
        self._write_at = math.inf
        self._flush_seconds = database.options.flush_seconds
        # The usual time from one acknowledgement to the next, and when the last one came.
        self._interval = 1.0
        self._came_at = monotonic()

    def __bool__(self) -> bool:
        return bool(self._acknowledged or self._requeued or self._rejected or self._unseen)

    def acknowledge(self, message_id: int) -> None:
        """Let a message be deleted."""
        self._acknowledged.append(message_id)
        self._begin_waiting()

    def requeue(self, message_id: int) -> None:
        """Let a message be claimed again."""
        self._requeued.append(message_id)
        self._begin_waiting()

    def requeue_unseen(self, message_id: int) -> None:
        """Let a message be claimed again that no callback has seen."""
        self._unseen.append(message_id)
        self._begin_waiting()

    def reject(self, message_id: int, reason: str) -> None:
        """Let a message become a dead letter."""
        self._rejected.append((message_id, reason))
        self._begin_waiting()

    @property
    def seconds_left(self) -> float:
        """How long until they must be written; infinite for none."""
        return self._write_at - monotonic()

    @property
    def is_gathering(self) -> bool:
        """Whether some wait for more."""
        return 0 < self.seconds_left < math.inf

    def take_acknowledged(self) -> list[int]:
        """Return ids to delete, for a statement that also claims; put back what fails."""
        self._write_at = math.inf
        return _take(self._acknowledged)

    def put_back(self, ids: list[int]) -> None:
        """Undo `take_acknowledged` where the statement failed."""
        self._acknowledged.extend(ids)
        self._begin_waiting()

    def report_refused(self, count: int) -> None:
        """Say that acknowledgements came too late: others have the messages by now."""
        if count > 0:
            logger.warning(
                "%d acknowledgements were refused: the messages no longer belong to this "
                "consumer and will be, or have been, delivered again",
                count,
            )

    @property
    def has_returns(self) -> bool:
        """Whether messages are to be given back or rejected, which a claim does not do."""
        return bool(self._requeued or self._rejected or self._unseen)

    @contextmanager
    def writing(self, session: DirectSession) -> Iterator[None]:
        """Write everything gathered so far together with what the caller writes inside."""
        taken = self._take_all()
        try:
            with self._database.begin(session):
                self._write(session, taken)
                yield
        except BaseException:
            self._put_back_all(taken)
            raise

    def _take_all(self) -> _Taken:
        return _Taken(
            self.take_acknowledged(),
            _take(self._requeued),
            _take(self._unseen),
            _take(self._rejected),
        )

    def _put_back_all(self, taken: _Taken) -> None:
        self._requeued.extend(taken.requeued)
        self._unseen.extend(taken.unseen)
        self._rejected.extend(taken.rejected)
        self.put_back(taken.acknowledged)

    def _write(self, session: DirectSession, taken: _Taken) -> None:
        names = {"consumer_id": self._consumer_id}
        if taken.acknowledged:
            ids = taken.acknowledged
            deleted = session.run(statements.delete_acknowledged, ids=ids, **names)
            self.report_refused(len(ids) - len(deleted))
        for message_id, reason in taken.rejected:
            bury(session, self._consumer_id, message_id, reason)
        returned: list[str] = []
        if taken.unseen:
            uncounted = statements.give_back(statements.held_among, uncounted=True)
            returned += [row[0] for row in session.run(uncounted, ids=taken.unseen, **names)]
        if taken.requeued:
            returned += give_back_or_bury(
                session, self._database, statements.held_among, ids=taken.requeued, **names
            )
        notify(session, self._database, returned)

    def _begin_waiting(self) -> None:
        now = monotonic()
        self._interval += (min(1.0, now - self._came_at) - self._interval) / 4
        self._came_at = now
        longest = _PATIENCE * self._flush_seconds
        is_worth_it = _WORTH_WAITING_FOR * self._interval < longest
        self._write_at = min(
            self._write_at, now + (longest if is_worth_it else self._flush_seconds)
        )


def bury(session: DirectSession, consumer_id: str, message_id: int, reason: str) -> None:
    """Move one message to the dead letters; run it in a transaction."""
    names = {"consumer_id": consumer_id, "ids": [message_id]}
    copied = session.run(
        statements.copy_to_dead_letters(statements.held_among), reason=reason, **names
    )
    session.run(statements.discard(statements.held_among), **names)
    if copied:
        logger.error("Message %d became a dead letter: %s", message_id, reason)


def _take(waiting: deque[Any]) -> list[Any]:
    return [waiting.popleft() for _ in range(min(len(waiting), _BATCH))]
