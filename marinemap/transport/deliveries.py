"""The thread of a consuming connection that claims messages and writes acknowledgements."""

from __future__ import annotations

import logging
import math
import sqlite3
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from time import monotonic

from marinemap.transport import statements
from marinemap.transport.acknowledgements import Acknowledgements
from marinemap.transport.claims import Claims, Demand, DemandKey
from marinemap.transport.engine import LOST_CONNECTION, Database
from marinemap.transport.leases import Lease, LeaseLostError, notify
from marinemap.transport.limits import Limits
from marinemap.transport.resuming import Resumption
from marinemap.transport.sessions import DirectSession
from marinemap.transport.wakeup import Notice, Signal, Watcher, open_watcher

logger = logging.getLogger(__name__)

# The application's rates are compared this often; that costs no query while they are the same.
_RATES_SECONDS = 1.0


class Deliveries:
    """Claims on behalf of one connection, in a thread of its own.

    The claim's commit waits for the disk, and the thread gives the interpreter free for that
    long: Celery goes on with the messages before. It also works while a task blocks the event
    loop, and the same for Celery's two loops.

    Parameters
    ----------
    find_demands : callable
        Returns what there is room for now.
    fail : callable
        Takes the error that ended the thread.
    """

    def __init__(
        self,
        database: Database,
        find_demands: Callable[[], Iterable[Demand]],
        fail: Callable[[BaseException], None],
    ) -> None:
        self._database = database
        self._find_demands = find_demands
        self._fail = fail
        self.lease = Lease(database)
        self.acknowledgements = Acknowledgements(database, self.lease.consumer_id)
        self._limits = Limits(database, self.lease.consumer_id)
        self._claims = Claims(database, self.lease.consumer_id, self._limits, self.acknowledgements)
        self._resumption = Resumption()
        self._signal = Signal()
        self._stopping = False
        # When the thread looks again by itself; 0 while it is awake.
        self._looks_at = 0.0
        self._has_new_consumers = True
        # Demands whose queues may hold messages, by what was seen last.
        self._hot: set[DemandKey] = set()
        self._known: set[DemandKey] = set()
        self._due_at: float | None = None
        self._poll_at = 0.0
        self._rates_at = 0.0
        self._unseen_ids: list[int] = []
        self._thread = threading.Thread(target=self._run, name="broker-deliveries", daemon=True)

    def start(self) -> None:
        """Take a lease, give back what former connections of this process left, begin."""
        self._release_abandoned()
        self.lease.acquire()
        self._thread.start()

    def wake(self) -> None:
        """Look again: there is room, or something to give back."""
        self._signal.set()

    def notice_consumers(self) -> None:
        """Look at the demands anew: a consumer came or went."""
        self._has_new_consumers = True
        self._signal.set()

    def notice_acknowledgement(self) -> None:
        """Look soon enough to write an acknowledgement in time, with those that follow it."""
        if self._looks_at > monotonic() + self._database.options.flush_seconds:
            self._signal.set()

    def write_acknowledgements(self) -> None:
        """Write what is acknowledged, in the caller's thread."""
        if self.acknowledgements:
            with self._database.session() as session, self.acknowledgements.writing(session):
                pass

    def claim_now(self, demand: Demand) -> None:
        """Claim for a demand in the caller's thread."""
        with self._database.session() as session:
            claimed = self._claims.claim(session, demand, Resumption())
        demand.hand_over(claimed)

    def stop(self, unseen_ids: list[int]) -> None:
        """Write what was acknowledged, give back the rest, end the thread.

        Where the database is away the next connection of this process does it; if there is
        none, the lease runs out.
        """
        self._unseen_ids = unseen_ids
        self._stopping = True
        self.wake()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            self._claim_until_stopped()
        except LOST_CONNECTION as lost:
            error = lost
        except BaseException as defect:
            logger.exception("The thread that claims messages has failed")
            error = defect
        self.lease.stop()
        self._database.abandoned.append(self)
        if error is None or isinstance(error, LeaseLostError):
            with suppress(*LOST_CONNECTION):
                self._release_abandoned()
        if error is not None:
            self._fail(error)

    def _claim_until_stopped(self) -> None:
        with self._database.session() as session:
            watcher = open_watcher(self._database, session)
            try:
                self._limits.sync(session, reread=True)
                while not self._stopping:
                    self._work(session)
                    self._wait(watcher, session)
            finally:
                watcher.close()

    def _wait(self, watcher: Watcher, session: DirectSession) -> None:
        # Until the pause is known, an acknowledgement that it may not count must wake.
        self._looks_at = math.inf
        pause = self._find_pause()
        self._looks_at = monotonic() + pause
        notice = watcher.wait(pause, self._signal)
        self._looks_at = 0.0
        self._signal.clear()
        now = monotonic()
        if now >= self._poll_at:
            notice.is_any = True
            self._poll_at = now + watcher.poll_seconds
        if notice.is_any or now >= self._rates_at:
            self._rates_at = now + _RATES_SECONDS
            if self._limits.sync(session, reread=notice.is_any):
                notice.is_any = True
        if notice.is_any or notice.is_delayed:
            self._find_due(session)
        if notice.is_any or notice.queue_names or self._has_new_consumers:
            self._heat(notice)

    def _heat(self, notice: Notice) -> None:
        self._has_new_consumers = False
        for demand in self._find_demands():
            is_new = demand.key not in self._known
            is_named = not notice.queue_names.isdisjoint(demand.queue_names)
            if notice.is_any or is_new or is_named:
                self._limits.expect_messages()
                self._hot.add(demand.key)
                self._known.add(demand.key)

    def _find_due(self, session: DirectSession) -> None:
        wait_ms = session.run(statements.ms_until_due)[0][0]
        self._due_at = None if wait_ms is None else monotonic() + max(0, wait_ms) / 1000

    def _work(self, session: DirectSession) -> None:
        """Claim and settle what can be now."""
        if self.lease.is_lost:
            raise LeaseLostError("this consumer's lease ran out; it starts again as a new one")
        try:
            self._promote(session)
            self._claim_all(session)
            self._settle(session)
        except sqlite3.OperationalError as error:
            # Another writer held the file for longer than we may wait. Nothing is lost by
            # trying again, and a worker must not give up for that.
            if "locked" not in str(error):
                raise
            logger.warning("The broker's SQLite file is locked by another: %s", error)

    def _promote(self, session: DirectSession) -> None:
        if self._due_at is None or monotonic() < self._due_at:
            return
        with self._database.begin(session):
            promoted = [row[0] for row in session.run(statements.promote)]
            notify(session, self._database, promoted)
        self._find_due(session)
        notice = Notice()
        notice.queue_names.update(promoted)
        self._heat(notice)

    def _claim_all(self, session: DirectSession) -> None:
        if self._limits.is_any_free_again():
            self._heat(Notice(is_any=True))
        for demand in self._find_demands():
            if demand.room and demand.key in self._hot and not self._should_gather(demand):
                claimed = self._claims.claim(session, demand, self._resumption)
                if len(claimed) < demand.room:
                    self._hot.discard(demand.key)
                if claimed:
                    demand.hand_over(claimed)

    def _should_gather(self, demand: Demand) -> bool:
        """Tell whether to put a claim off, so that one commit serves more messages."""
        return demand.is_busy and self.acknowledgements.is_gathering

    def _settle(self, session: DirectSession) -> None:
        waiting = self.acknowledgements
        if waiting.has_returns or (waiting and waiting.seconds_left <= 0):
            if waiting.has_returns:
                self._resumption.begin()
            with self.acknowledgements.writing(session):
                pass

    def _find_pause(self) -> float:
        now = monotonic()
        waits = [self._poll_at - now, self._rates_at - now]
        if self.acknowledgements:
            waits.append(self.acknowledgements.seconds_left)
        if self._due_at is not None:
            waits.append(self._due_at - now)
        free = self._limits.seconds_until_free()
        if free is not None:
            waits.append(free)
        return max(0.0, min(waits))

    def _release_abandoned(self) -> None:
        while self._database.abandoned:
            former = self._database.abandoned.pop()
            try:
                former.release()
            except BaseException:
                self._database.abandoned.append(former)
                raise

    def release(self) -> None:
        """Write what is left to write and remove the lease, giving the messages back."""
        with self._database.session() as session:
            while self.acknowledgements:
                with self.acknowledgements.writing(session):
                    pass
            with self._database.begin(session):
                self.lease.release(session, self._unseen_ids)
        self._signal.close()
