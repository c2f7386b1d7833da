"""What each consumer does for all beside its work: the dead's messages, and clearing away."""

from __future__ import annotations

import logging
import threading
from collections import deque
from time import monotonic

from ..database import Database
from ..database.contract import Row, Session
from ..errors import AwayError
from ..publishing.queues import TOUCH, delete_unused
from .clearing import bury_forgotten, clear_away
from .lease import RENEWALS
from .outage import Outage
from .rates import free_waiting, limit_waiting
from .settlements import give_back_or_bury

logger = logging.getLogger(__name__)

# A long backlog is cleared in pieces: one big delete would hold SQLite's only write lock.
_BATCH = 1000
# How often it is told what may become a fault.
_WARN_SECONDS = 60.0
_GROWING_SECONDS = 900.0

CONSUMERS = (
    "SELECT consumer_id, hostname, process_id, lease_expires_at_ms, lease_ms, lock_offset "
    "FROM broker_consumers"
)
# The lease's end as it was seen: whoever renewed meanwhile lives.
_REMOVE = (
    "DELETE FROM broker_consumers WHERE consumer_id = :consumer_id "
    "AND lease_expires_at_ms = :seen RETURNING consumer_id"
)
_IS_ORPHANED = (
    "claimed_by IS NOT NULL AND NOT EXISTS "
    "(SELECT 1 FROM broker_consumers AS c WHERE c.consumer_id = claimed_by)"
)
_HAS_ORPHANS = f"SELECT 1 AS one FROM broker_messages WHERE {_IS_ORPHANED} LIMIT 1"
# Skipping what another settles now: two who each wait for the other would help nobody.
_ORPHANS = (
    f"SELECT id FROM broker_messages WHERE {_IS_ORPHANED} "
    f"ORDER BY id LIMIT {_BATCH} {{skip_locked}}"
)
# Once more, now that they are locked: a statement knows who lived when it began, but sees rows
# as they are by the time that it locks them, claimed by one who has started since.
_STILL_ORPHANS = f"SELECT id FROM broker_messages WHERE id {{in_ids}} AND {_IS_ORPHANED}"
_OF_DEAD = (
    "FROM broker_subscriptions WHERE NOT EXISTS (SELECT 1 FROM broker_consumers AS c "
    "WHERE c.consumer_id = broker_subscriptions.consumer_id)"
)
_QUEUES_OF_DEAD = f"SELECT DISTINCT queue_name {_OF_DEAD}"
_UNSUBSCRIBE_DEAD = f"DELETE {_OF_DEAD} AND queue_name {{in_names}}"
_OLDEST = (
    "SELECT s.queue_name, {now} - (SELECT published_at_ms FROM broker_messages AS m "
    "WHERE m.queue_name = s.queue_name AND m.claimed_by IS NULL AND m.due_at_ms IS NULL "
    "AND m.rate_key IS NULL ORDER BY m.priority DESC, (m.id + 0) LIMIT 1) AS age_ms "
    "FROM broker_subscriptions AS s WHERE s.consumer_id = :consumer_id"
)


class Janitor:
    """A thread beside a consumer's own, which it must not hold up."""

    def __init__(self, database: Database, consumer_id: str) -> None:
        self._database = database
        self._consumer_id = consumer_id
        self._life = database.make_life()
        self._period = database.options.lease_seconds / RENEWALS
        self._woken = threading.Event()
        self._stopping = False
        self._newly_limited: deque[str] = deque()
        self._has_limited = threading.Event()
        self._outage = Outage("The queue cannot be tidied now: %s")
        self._warned_at = monotonic()
        self._ages: dict[str, float] = {}
        self._thread = threading.Thread(target=self._run, name="queue-janitor", daemon=True)

    def start(self) -> None:
        """Begin; the first look comes after a quarter of the lease."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is being done now."""
        self._stopping = True
        self._woken.set()

    def limit_waiting(self, task_names: list[str], seconds: float) -> None:
        """Let what waits of tasks take turns, as they have a rate now; return once it does.

        Or when the time is over: a long backlog must not keep the caller from other messages.
        """
        self._newly_limited.extend(task_names)
        self._has_limited.clear()
        self._woken.set()
        self._has_limited.wait(seconds)

    def _run(self) -> None:
        look_at = monotonic() + self._period
        while not self._stopping:
            # At a steady beat, whatever held up the last round: who looks late sees nobody die.
            self._woken.wait(max(0.0, look_at - monotonic()))
            self._woken.clear()
            if self._stopping:
                return
            look_at = monotonic() + self._period
            try:
                self.tidy()
            except AwayError as error:
                self._outage.tell(error)
            except Exception:
                # A defect here must not end what gives back the messages of the dead.
                logger.exception("Tidying the queue has failed")

    def tidy(self) -> None:
        """Do all there is to do once."""
        while self._newly_limited:
            limit_waiting(self._database, self._newly_limited[0])
            self._newly_limited.popleft()
        self._has_limited.set()
        reclaim(self._database, self._find_dead())
        clear_away(self._database)
        free_waiting(self._database)
        if monotonic() - self._warned_at > _WARN_SECONDS:
            self._warned_at = monotonic()
            self._warn()
            bury_forgotten(self._database)

    def _find_dead(self) -> list[Row]:
        try:
            with self._database.session() as session:
                consumers = session.run(CONSUMERS)
        except AwayError:
            # Renewals may have failed as this look did.
            self._life.forget()
            raise
        return self._life.find_dead([c for c in consumers if c.consumer_id != self._consumer_id])

    def _warn(self) -> None:
        with self._database.session() as session:
            for line in self._database.find_long_transactions(session):
                logger.warning("A transaction is open for long, and slows the queue: %s", line)
            for row in session.run(_OLDEST, consumer_id=self._consumer_id):
                self._warn_if_growing(row.queue_name, (row.age_ms or 0) / 1000)

    def _warn_if_growing(self, queue_name: str, age: float) -> None:
        before, self._ages[queue_name] = self._ages.get(queue_name, 0.0), age
        if age > _GROWING_SECONDS and age > before:
            logger.warning(
                "Queue '%s' only grows: its next message has waited for %.0f s", queue_name, age
            )


def reclaim(database: Database, dead: list[Row]) -> int:
    """Let the messages of dead consumers be claimed again; return how many there were.

    A consumer's row goes together with its messages; those of a row that is gone already, as
    of a claim that was under way meanwhile, are given back as well.
    """
    removed, released = _release_orphans(database, dead)
    while released and released % _BATCH == 0 and (more := _release_orphans(database, [])[1]):
        released += more
    _unsubscribe_dead(database)
    if removed or released:
        # What held nothing is missed by nobody, such as a worker that was ended by force.
        level = logging.WARNING if released else logging.INFO
        logger.log(
            level, "Gave back %d messages of %d consumers that no longer live", released, removed
        )
    return released


def _release_orphans(database: Database, dead: list[Row]) -> tuple[int, int]:
    with database.session() as session:
        if not dead and not session.run(_HAS_ORPHANS):
            return 0, 0
        with session.begin():
            removed = sum(_remove(session, one) for one in dead)
            locked = [row.id for row in session.run(_ORPHANS)]
            ids = [row.id for row in session.run(_STILL_ORPHANS, ids=locked)]
            names = give_back_or_bury(session, database, "id {in_ids}", ids=ids)
        database.notify(session, names)
    return removed, len(ids)


def _remove(session: Session, consumer: Row) -> int:
    names = {"consumer_id": consumer.consumer_id, "seen": consumer.lease_expires_at_ms}
    return len(session.run(_REMOVE, **names))


def _unsubscribe_dead(database: Database) -> None:
    """Also of those that wrote it after they were taken for dead."""
    with database.session() as session:
        names = [row.queue_name for row in session.run(_QUEUES_OF_DEAD)]
    if not names:
        return
    # First: where this fails, the next round finds them again.
    delete_unused(database, names)
    with database.transaction() as session:
        session.run(_UNSUBSCRIBE_DEAD, names=names)
        # Their time to expire begins now.
        session.run(TOUCH, names=names)
