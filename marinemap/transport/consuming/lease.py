"""A consumer's row: its name, its lease, the queues that it consumes from."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Set
from time import monotonic

from ..database import Database
from ..database.contract import Session
from ..errors import LeaseLostError
from ..publishing.queues import LOCK_IN_USE, SUBSCRIBE, TOUCH, UNSUBSCRIBE, delete_unused
from .settlements import give_back_or_bury

logger = logging.getLogger(__name__)

# Renewals in one lease: three may fail before it is lost.
RENEWALS = 4

_REGISTER = """
INSERT INTO broker_consumers (consumer_id, hostname, process_id, started_at_ms,
    lease_expires_at_ms, lease_ms)
VALUES (:consumer_id, :hostname, :process_id, {now}, {now} + CAST(:lease_ms AS BIGINT), :lease_ms)
"""
# Larger than before in any case, whatever becomes of the clock: that it changes is the sign.
_RENEW = """
UPDATE broker_consumers
SET lease_expires_at_ms = {larger}({now} + CAST(:lease_ms AS BIGINT), lease_expires_at_ms + 1)
WHERE consumer_id = :consumer_id RETURNING consumer_id
"""
_HELD = "claimed_by = :consumer_id"
_REMOVE = (
    "DELETE FROM broker_subscriptions WHERE consumer_id = :consumer_id",
    "DELETE FROM broker_consumers WHERE consumer_id = :consumer_id",
)


class Lease:
    """Belongs to a consumer id, not to a connection: that may break and be made anew."""

    def __init__(self, database: Database, consumer_id: str) -> None:
        self._database = database
        self._consumer_id = consumer_id
        self._seconds = database.options.lease_seconds
        self._life = database.make_life()
        self._subscribed: set[str] = set()
        self._renewed_at = 0.0

    def acquire(self, session: Session) -> None:
        """Write the row and show signs of life."""
        try:
            with session.begin():
                session.run(
                    _REGISTER,
                    consumer_id=self._consumer_id,
                    hostname=socket.gethostname(),
                    process_id=os.getpid(),
                    lease_ms=self._lease_ms,
                )
                self._life.begin(session, self._consumer_id)
        except BaseException:
            self.end_life()
            raise
        self._renewed_at = monotonic()

    @property
    def seconds_left(self) -> float:
        """How long until it should be renewed."""
        return self._renewed_at + self._seconds / RENEWALS - monotonic()

    def renew(self, session: Session) -> None:
        """Renew it.

        Raises
        ------
        LeaseLostError
            Others took this consumer for dead.
        """
        late = -self.seconds_left
        kept = session.run(_RENEW, consumer_id=self._consumer_id, lease_ms=self._lease_ms)
        if not kept:
            raise LeaseLostError(
                "this consumer was taken for dead, and its messages were given to others; it "
                "starts again as a new one"
            )
        if late > self._seconds / RENEWALS:
            logger.warning("The lease was renewed %.1f s late, of %g s", late, self._seconds)
        self._renewed_at = monotonic()
        if self._subscribed:
            session.run(TOUCH, names=sorted(self._subscribed))

    def find_left(self, queue_names: Set[str]) -> set[str]:
        """Return the queues that are noted, and not among those that are consumed from."""
        return self._subscribed - queue_names

    def subscribe(self, session: Session, queue_names: frozenset[str]) -> None:
        """Note that queues are consumed from; such a queue never expires."""
        if new := queue_names - self._subscribed:
            self._write(session, new, LOCK_IN_USE, SUBSCRIBE)
            self._subscribed |= new

    def unsubscribe(self, session: Session, queue_names: Set[str]) -> None:
        """Note which queues are consumed from no more; their time to expire begins."""
        if gone := self._subscribed & queue_names:
            self._write(session, gone, UNSUBSCRIBE)
            self._subscribed -= gone

    def release(self, session: Session) -> None:
        """Give all messages back and remove the row."""
        with session.begin():
            self._database.hurry(session)
            names = give_back_or_bury(session, self._database, _HELD, consumer_id=self._consumer_id)
            if self._subscribed:
                session.run(TOUCH, names=sorted(self._subscribed))
            for statement in _REMOVE:
                session.run(statement, consumer_id=self._consumer_id)
        self._database.notify(session, names)
        if self._subscribed:
            delete_unused(self._database, self._subscribed)

    def end_life(self) -> None:
        """Show no more signs of life."""
        self._life.end(self._consumer_id)

    def _write(self, session: Session, queue_names: Set[str], *statements: str) -> None:
        names = sorted(queue_names)
        with session.begin():
            for statement in (*statements, TOUCH):
                session.run(statement, consumer_id=self._consumer_id, names=names)

    @property
    def _lease_ms(self) -> int:
        return round(self._seconds * 1000)
