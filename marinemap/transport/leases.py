"""Leases: how a consumer shows that it lives, and what becomes of the messages of a dead one."""

from __future__ import annotations

import logging
import os
import socket
import threading
from time import monotonic
from uuid import uuid4

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Text,
    bindparam,
    delete,
    insert,
    select,
    text,
    update,
)

from marinemap.transport import statements
from marinemap.transport.dialects import now_ms
from marinemap.transport.engine import LOST_CONNECTION, Database
from marinemap.transport.exchanges import touch_queues
from marinemap.transport.maintenance import clear_away
from marinemap.transport.sessions import DirectSession
from marinemap.transport.tables import consumers, messages

logger = logging.getLogger(__name__)

# Renewals in one lease: three may fail before it is lost.
_RENEWALS = 4

_is_self = consumers.c.consumer_id == bindparam("consumer_id", type_=Text())
_lease_end = now_ms() + bindparam("lease_ms", type_=BigInteger())
_register = insert(consumers).values(
    consumer_id=bindparam("consumer_id", type_=Text()),
    hostname=bindparam("hostname", type_=Text()),
    process_id=bindparam("process_id", type_=Integer()),
    started_at_ms=now_ms(),
    lease_expires_at_ms=_lease_end,
)
_renew = (
    update(consumers)
    .where(_is_self)
    .values(lease_expires_at_ms=_lease_end)
    .returning(consumers.c.consumer_id)
)
_remove = delete(consumers).where(_is_self)
_is_expired = consumers.c.lease_expires_at_ms < select(now_ms()).scalar_subquery()
_remove_expired = delete(consumers).where(_is_expired).returning(consumers.c.consumer_id)
_has_work = select(
    select(consumers.c.consumer_id).where(_is_expired).exists()
    | select(messages.c.id).where(statements.orphaned).exists()
)


class LeaseLostError(ConnectionError):
    """This consumer did not renew in time: its messages now belong to others."""


class Lease:
    """One row for each connection that consumes, renewed by a thread of its own.

    Not by the event loop: a task in a solo pool blocks that for as long as it runs. A process
    that comes back after its lease ran out finds its row gone, and starts again under another
    id; what it still holds is refused by the old one.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.consumer_id = uuid4().hex
        self.queue_names: frozenset[str] = frozenset()
        self._lease_ms = int(database.options.lease_seconds * 1000)
        self._released = threading.Event()
        self._renewed_at = monotonic()
        self._is_lost = False
        self._thread = threading.Thread(target=self._keep, name="broker-lease", daemon=True)

    def acquire(self) -> None:
        """Write the row and start to renew it."""
        with self._database.session() as session:
            session.run(
                _register,
                consumer_id=self.consumer_id,
                hostname=socket.gethostname(),
                process_id=os.getpid(),
                lease_ms=self._lease_ms,
            )
        self._renewed_at = monotonic()
        self._thread.start()

    @property
    def is_lost(self) -> bool:
        """Whether others may by now have this consumer's messages."""
        age = monotonic() - self._renewed_at
        return self._is_lost or age > self._database.options.lease_seconds

    def release(self, session: DirectSession, unseen_ids: list[int]) -> None:
        """Give all messages back and remove the row; run it in a transaction."""
        self._released.set()
        names = {"consumer_id": self.consumer_id}
        unseen = session.run(
            statements.give_back(statements.held_among, uncounted=True), ids=unseen_ids, **names
        )
        released = [row[0] for row in unseen]
        released += give_back_or_bury(session, self._database, statements.held, **names)
        session.run(_remove, **names)
        notify(session, self._database, released)

    def stop(self) -> None:
        """Renew no more."""
        self._released.set()

    def _keep(self) -> None:
        period = self._database.options.lease_seconds / _RENEWALS
        while not self._released.wait(period):
            if self._database.process_id != os.getpid():
                return
            try:
                self._renew()
                reclaim(self._database)
                clear_away(self._database)
            except LOST_CONNECTION as error:
                logger.warning("Could not renew the lease of this consumer: %s", error)

    def _renew(self) -> None:
        asked_at = monotonic()
        with self._database.session() as session:
            kept = session.run(_renew, consumer_id=self.consumer_id, lease_ms=self._lease_ms)
            if kept and self.queue_names:
                session.run(touch_queues, queue_names=sorted(self.queue_names))
        if kept:
            self._renewed_at = asked_at
        elif not self._released.is_set():
            self._is_lost = True


def reclaim(database: Database) -> int:
    """Let the messages of dead consumers be claimed again; return how many there were."""
    with database.session() as session:
        if not session.run(_has_work)[0][0]:
            return 0
    with database.transaction() as session:
        if database.dialect_name == "postgresql" and not _is_only_reclaimer(session):
            return 0
        dead = session.run(_remove_expired)
        released = give_back_or_bury(session, database, statements.orphaned)
        notify(session, database, released)
    if dead or released:
        logger.warning(
            "Gave back %d messages of %d consumers that no longer live", len(released), len(dead)
        )
    return len(released)


def _is_only_reclaimer(session: DirectSession) -> bool:
    # Two at once could each wait for the other's row, then judge it by what they saw before.
    return bool(session.run(text("SELECT pg_try_advisory_xact_lock(314159265)"))[0][0])


def give_back_or_bury(
    session: DirectSession,
    database: Database,
    which: ColumnElement[bool],
    **names: object,
) -> list[str]:
    """Give messages back, those delivered too often to the dead letters.

    Returns
    -------
    list of str
        The queue of each message given back.
    """
    limit = database.options.delivery_limit
    exhausted = statements.exhausted(which)
    reason = f"delivered {limit} times without being acknowledged"
    buried = session.run(
        statements.copy_to_dead_letters(exhausted), reason=reason, delivery_limit=limit, **names
    )
    if buried:
        session.run(statements.discard(exhausted), delivery_limit=limit, **names)
        logger.error("%d messages became dead letters: %s", len(buried), reason)
    return [row[0] for row in session.run(statements.give_back(which), **names)]


def notify(session: DirectSession, database: Database, queue_names: list[str]) -> None:
    """Wake the consumers of some queues when this transaction commits."""
    if database.dialect_name == "postgresql" and queue_names:
        payload = " " + "\n".join(sorted(set(queue_names)))
        is_short = len(payload.encode()) <= statements.LONGEST_PAYLOAD
        session.run(statements.notify, payload=payload if is_short else "")
