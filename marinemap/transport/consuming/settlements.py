"""What consumers have said about their messages and is not yet written."""

from __future__ import annotations

import logging
import math
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic

from ..database import Database
from ..database.contract import Session

logger = logging.getLogger(__name__)

# PostgreSQL writes to its disk within three times `wal_writer_delay`, 0.6 s by default
# (its documentation, 30.4); the longest that may be set is 30 s. Counted from the reconnection.
_WRITTEN_SECONDS = 60.0
# Most ids in one statement.
_BATCH = 500

OWN = "id {in_ids} AND claimed_by = :consumer_id"
_EXHAUSTED = "%s AND attempts >= CAST(:delivery_limit AS INTEGER)"
_GIVE_BACK = (
    "UPDATE broker_messages SET claimed_by = NULL, claimed_at_ms = NULL WHERE %s "
    "RETURNING queue_name"
)
# After a crash of the server, of which claims and acknowledgements do not wait for the disk:
# nobody else can have these messages, for it gives out none until all have said what is theirs.
# Not by one who was taken for dead meanwhile: what it held is for others, and what it said of it
# may have been refused.
_LIVES = "EXISTS (SELECT 1 FROM broker_consumers WHERE consumer_id = :consumer_id)"
_ACKNOWLEDGE_AGAIN = (
    "DELETE FROM broker_messages WHERE id {in_ids} "
    f"AND (claimed_by IS NULL OR claimed_by = :consumer_id) AND {_LIVES}"
)
_CLAIM_AGAIN = (
    "UPDATE broker_messages SET claimed_by = :consumer_id, claimed_at_ms = {now}, "
    f"attempts = attempts + 1 WHERE id {{in_ids}} AND claimed_by IS NULL AND {_LIVES}"
)
_GIVE_BACK_UNSEEN = (
    "UPDATE broker_messages SET claimed_by = NULL, claimed_at_ms = NULL, attempts = attempts - 1 "
    f"WHERE {OWN} RETURNING queue_name"
)
# Claimed by a statement whose answer was lost: nobody here has heard of them.
_GIVE_BACK_UNHEARD = (
    "UPDATE broker_messages SET claimed_by = NULL, claimed_at_ms = NULL, attempts = attempts - 1 "
    "WHERE claimed_by = :consumer_id AND NOT (id {in_ids}) RETURNING queue_name"
)


@dataclass(frozen=True)
class Returned:
    """A message that goes back to its queue, or to the dead letters for a reason."""

    message_id: int
    # Whether no callback has seen it: then it was no delivery.
    is_unseen: bool = False
    reason: str | None = None


class Settlements:
    """Gathers what is said from any thread, to be written together by one.

    Under the plain event loop Celery acknowledges from the thread that reads results, so only
    a deque's own atomic operations are used to add.
    """

    def __init__(self, database: Database, consumer_id: str) -> None:
        self._database = database
        self._consumer_id = consumer_id
        # With the time at which each was said.
        self._acknowledged: deque[tuple[float, int]] = deque()
        self._returned: deque[Returned] = deque()
        # What was claimed and heard of, until its settlement is written; for who works.
        self._held: set[int] = set()
        # What was acknowledged lately, with the time at which that was written.
        self._written: deque[tuple[float, int]] = deque()

    def acknowledge(self, message_id: int) -> None:
        """Let a message be deleted."""
        self._acknowledged.append((monotonic(), message_id))

    def give_back(self, returned: Returned) -> None:
        """Let a message be claimed again, or become a dead letter."""
        self._returned.append(returned)

    def __bool__(self) -> bool:
        return bool(self._acknowledged or self._returned)

    @property
    def seconds_left(self) -> float:
        """How long until they should be written; infinite for none."""
        if self._returned:
            return 0.0
        try:
            said_at = self._acknowledged[0][0]
        except IndexError:
            return math.inf
        return said_at + self._database.options.flush_seconds - monotonic()

    def take_acknowledged(self) -> list[int]:
        """Return ids to delete, for a statement that also claims; put back what fails."""
        count = min(len(self._acknowledged), _BATCH)
        return [self._acknowledged.popleft()[1] for _ in range(count)]

    def put_back(self, ids: Iterable[int]) -> None:
        """Undo `take_acknowledged` where the statement failed."""
        self._acknowledged.extendleft((0.0, message_id) for message_id in ids)

    def hold(self, ids: Iterable[int]) -> None:
        """Know that messages were claimed, and that somebody here has them."""
        self._held.update(ids)

    def say_again(self, session: Session) -> None:
        """Say once more what was acknowledged lately, and what is held: a crash may have undone it.

        Run it after `write`, and before `give_back_unheard`.
        """
        own = {"consumer_id": self._consumer_id}
        self._forget_written()
        session.run(_ACKNOWLEDGE_AGAIN, ids=[message_id for _, message_id in self._written], **own)
        session.run(_CLAIM_AGAIN, ids=sorted(self._held), **own)

    def _forget_written(self) -> None:
        while self._written and self._written[0][0] < monotonic() - _WRITTEN_SECONDS:
            self._written.popleft()

    def give_back_unheard(self, session: Session) -> None:
        """Give back what the table says is claimed, and nobody here knows of.

        Run it after `write`, and before a claim: what waits to be settled is held as well.
        """
        rows = session.run(
            _GIVE_BACK_UNHEARD, consumer_id=self._consumer_id, ids=sorted(self._held)
        )
        self._database.notify(session, {row.queue_name for row in rows})

    def report(self, ids: list[int], refused: int) -> None:
        """Take acknowledgements for written; say if others had the messages by then."""
        self._held.difference_update(ids)
        self._written.extend((monotonic(), message_id) for message_id in ids)
        self._forget_written()
        if refused:
            logger.warning(
                "%d acknowledgements were refused: the messages no longer belong to this "
                "consumer and will be, or have been, delivered again",
                refused,
            )

    def write(self, session: Session, *, is_again: bool = False) -> None:
        """Write all that was said so far, perhaps again: what is gone then was written before."""
        while ids := self.take_acknowledged():
            try:
                done = self._database.acknowledge(session, self._consumer_id, ids)
            except BaseException:
                self.put_back(ids)
                raise
            self.report(ids, 0 if is_again else len(ids) - done)
        while returned := [self._returned.popleft() for _ in range(self._returned_count())]:
            try:
                self._write_returned(session, returned)
            except BaseException:
                self._returned.extendleft(reversed(returned))
                raise
            self._held.difference_update(one.message_id for one in returned)

    def _returned_count(self) -> int:
        return min(len(self._returned), _BATCH)

    def _write_returned(self, session: Session, returned: list[Returned]) -> None:
        unseen = [one.message_id for one in returned if one.is_unseen]
        requeued = [one.message_id for one in returned if not one.is_unseen and not one.reason]
        rejected: defaultdict[str, list[int]] = defaultdict(list)
        for one in returned:
            if one.reason is not None:
                rejected[one.reason].append(one.message_id)
        names: set[str] = set()
        own = {"consumer_id": self._consumer_id}
        with session.begin():
            self._database.hurry(session)
            for reason, ids in rejected.items():
                dead = self._database.bury(session, OWN, reason, ids=ids, **own)
                report_dead((row.message_id for row in dead), reason)
            if unseen:
                rows = session.run(_GIVE_BACK_UNSEEN, ids=unseen, **own)
                names |= {row.queue_name for row in rows}
            if requeued:
                names |= give_back_or_bury(session, self._database, OWN, ids=requeued, **own)
        self._database.notify(session, names)


def give_back_or_bury(
    session: Session, database: Database, which: str, **parameters: object
) -> set[str]:
    """Give messages back, those delivered too often to the dead letters; in a transaction.

    Returns
    -------
    set of str
        The queues of those given back.
    """
    limit = database.options.delivery_limit
    reason = f"delivered {limit} times without being acknowledged"
    dead = database.bury(session, _EXHAUSTED % which, reason, delivery_limit=limit, **parameters)
    report_dead((row.message_id for row in dead), reason)
    return {row.queue_name for row in session.run(_GIVE_BACK % which, **parameters)}


def report_dead(message_ids: Iterable[int], reason: str) -> None:
    """Write a line for each message that became a dead letter."""
    for message_id in message_ids:
        logger.error("Message %d became a dead letter: %s", message_id, reason)
