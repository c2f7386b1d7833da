"""A consumer: the thread that claims messages and settles them, over connections that may break."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from uuid import uuid4

from ..database import Database
from ..database.contract import Notice, Session, Watcher
from ..database.signals import Signal
from ..errors import AwayError, BusyError, LeaseLostError
from .attention import Attention
from .claims import Claims
from .delayed import promote, seconds_until_due
from .demand import Claimed, Demand
from .janitor import Janitor
from .lease import Lease
from .rates import RateStatements
from .settlements import Settlements

logger = logging.getLogger(__name__)

# The application's rates are compared this often; that costs no query while they are the same.
_RATES_SECONDS = 1.0
# Where a rate is new, what waits already is put in turns first, unless that takes longer.
_LIMITING_SECONDS = 2.0
# Between two tries to reach a database that is away: the first, and the longest.
_FIRST_RETRY_SECONDS = 0.1
_LONGEST_RETRY_SECONDS = 1.0
# What needs a lock that another holds is tried again after this.
_BUSY_RETRY_SECONDS = 0.1


class Consumer:
    """Claims on behalf of one kombu connection, in a thread of its own.

    The claim's commit waits for the disk, and the thread gives the interpreter free for that
    long: Celery goes on with the messages before. It also works while a task blocks the event
    loop, and the same for Celery's two loops. What it holds belongs to its id, not to its
    database connection: while the database is away it keeps its messages, and comes back.

    Parameters
    ----------
    find_demands : callable
        Returns the queues consumed from, with room or without.
    fail : callable
        Takes the error that ended the thread: the lease was lost, or a defect.
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
        self.consumer_id = uuid4().hex
        self.settlements = Settlements(database, self.consumer_id)
        self._lease = Lease(database, self.consumer_id)
        self._claims = Claims(database, self.consumer_id, self.settlements)
        self._rates = RateStatements(database)
        self._janitor = Janitor(database, self.consumer_id)
        self._signal = Signal()
        self._process_id = os.getpid()
        self._stopping = False
        # One thread at a time claims, settles or renews for this consumer.
        self._working = threading.Lock()
        # A statement failed, and the database may have done it all the same.
        self._is_unsure = False
        self._due_at: float | None = None
        self._poll_at = 0.0
        self._rates_at = 0.0
        self._settled_at = 0.0
        # When the thread looks again by itself; 0 while it is awake.
        self._looks_at = 0.0
        self._thread = threading.Thread(target=self._run, name="queue-consumer", daemon=True)

    def start(self) -> None:
        """Register and begin.

        Raises
        ------
        AwayError
            The database is away.
        """
        with self._database.session() as session:
            self._lease.acquire(session)
        self._thread.start()
        self._janitor.start()

    def wake(self) -> None:
        """Look again: there is room, a new queue, or something to give back."""
        self._signal.set()

    def notice_acknowledgement(self) -> None:
        """Look soon enough to write an acknowledgement in time, with those that follow it."""
        if self._looks_at > monotonic() + self._database.options.flush_seconds:
            self._signal.set()

    def settle_now(self) -> None:
        """Write what is settled, in the caller's thread."""
        with self._at_work(), self._database.session() as session:
            self.settlements.write(session)

    def leave_queues(self) -> None:
        """Let it be known, when this returns, which queues are consumed no more."""
        with self._at_work(), self._database.session() as session:
            self._lease.subscribe(session, self._find_names())

    def claim_now(self, demand: Demand) -> None:
        """Look for a message in the caller's thread, for one that it has just given back too."""
        with self._at_work(), self._database.session() as session:
            self._make_sure(session)
            self.settlements.write(session)
            self._hand_over(demand, self._claims.look(session, demand).claimed)

    def stop(self) -> None:
        """Write what was settled, give back the rest, end the thread.

        Where the database is away the messages come back when the lease has run out.
        """
        self._stopping = True
        self.wake()
        self._janitor.stop()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join()

    # -- the thread

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            self._serve_until_stopped()
        except LeaseLostError as lost:
            error = lost
        except BaseException as defect:
            logger.exception("The thread that claims messages has failed")
            error = defect
        self._janitor.stop()
        self._release()
        if error is not None:
            self._fail(error)

    def _serve_until_stopped(self) -> None:
        pause = _FIRST_RETRY_SECONDS
        while not self._stopping:
            try:
                session = self._database.open_consumer_session()
                try:
                    pause = _FIRST_RETRY_SECONDS
                    self._serve(session)
                finally:
                    session.close()
            except AwayError as error:
                # Also where nothing was asked meanwhile: a crash undoes what was answered.
                self._is_unsure = True
                logger.warning("The queue's database is away, trying again: %s", error)
                self._signal.clear()
                self._signal.wait(pause)
                pause = min(2 * pause, _LONGEST_RETRY_SECONDS)

    def _serve(self, session: Session) -> None:
        """Work on one database connection until it breaks."""
        watcher = self._database.watch(session)
        try:
            attention = Attention(watcher)
            self._rates_at = self._poll_at = 0.0
            self._settled_at = monotonic() + self._database.settling_seconds
            with self._at_work():
                self._lease.renew(session)
                self._state_rates(session)
            while not self._stopping:
                self._work(session, attention)
                self._sleep(session, watcher, attention)
        finally:
            watcher.close()

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """Let one thread at a time work; note where it was left without an answer."""
        with self._working:
            try:
                yield
            except AwayError:
                self._is_unsure = True
                raise

    def _make_sure(self, session: Session) -> None:
        """After a failure let the table say what is known here, before anything is claimed."""
        if self._is_unsure:
            self.settlements.write(session)
            self.settlements.say_again(session)
            self.settlements.give_back_unheard(session)
            self._is_unsure = False

    def _work(self, session: Session, attention: Attention) -> None:
        try:
            with self._at_work():
                if self._lease.seconds_left <= 0:
                    self._lease.renew(session)
                self._make_sure(session)
                if self._due_at is not None and monotonic() >= self._due_at:
                    self._promote(session, attention)
                self._claim_all(session, attention)
                if self.settlements.seconds_left <= 0:
                    self.settlements.write(session)
        except BusyError as error:
            # Nothing is lost by trying again, and a worker must not give up for that.
            logger.warning("Another keeps the queue's database busy: %s", error)
            self._signal.wait(_BUSY_RETRY_SECONDS)

    def _promote(self, session: Session, attention: Attention) -> None:
        names = promote(self._database, session)
        attention.heat(names)
        self._find_due(session)
        if not names and self._due_at is not None:
            # Due, but another has it locked: to ask at once, and again, would help nobody.
            self._due_at = max(self._due_at, monotonic() + _BUSY_RETRY_SECONDS)

    def _hand_over(self, demand: Demand, claimed: list[Claimed]) -> None:
        self.settlements.hold(one.message_id for one in claimed if not one.is_taken)
        demand.hand_over(claimed)

    def _claim_all(self, session: Session, attention: Attention) -> None:
        demands = list(self._find_demands())
        names = frozenset(demand.queue_name for demand in demands)
        attention.follow(names)
        self._lease.subscribe(session, names)
        attention.heat(self._claims.take_freed())
        empty: set[str] = set()
        for demand in demands:
            if attention.is_hot(demand.queue_name) and self._should_look(demand):
                look = self._claims.look(session, demand)
                if look.claimed:
                    self._hand_over(demand, look.claimed)
                if look.is_empty:
                    empty.add(demand.queue_name)
                else:
                    attention.note_messages(demand.queue_name)
        if empty:
            attention.note_empty(empty)

    def _should_look(self, demand: Demand) -> bool:
        if demand.room() <= 0:
            return False
        # Put off while acknowledgements gather: one commit then serves more messages.
        return not (demand.is_busy() and 0 < self.settlements.seconds_left <= 1)

    def _sleep(self, session: Session, watcher: Watcher, attention: Attention) -> None:
        # Until the pause is known, an acknowledgement that it may not count must wake.
        self._looks_at = float("inf")
        pause = self._find_pause(attention)
        self._looks_at = monotonic() + pause
        notice = watcher.wait(pause, self._signal)
        self._looks_at = 0.0
        self._signal.clear()
        try:
            with self._at_work():
                self._heed(session, watcher, attention, notice)
        except BusyError as error:
            logger.warning("Another keeps the queue's database busy: %s", error)

    def _heed(
        self, session: Session, watcher: Watcher, attention: Attention, notice: Notice
    ) -> None:
        now = monotonic()
        is_polling = now >= self._poll_at
        if is_polling:
            # Once more when a database that has just started gives out messages again.
            is_settled = now > self._settled_at
            self._poll_at = now + watcher.poll_seconds if is_settled else self._settled_at + 0.1
        if notice.is_any or is_polling:
            attention.heat()
        else:
            attention.heat(notice.queue_names)
        if notice.is_delayed or is_polling:
            self._find_due(session)
        if now >= self._rates_at:
            self._state_rates(session)

    def _state_rates(self, session: Session) -> None:
        self._rates_at = monotonic() + _RATES_SECONDS
        if limited := self._rates.state(session):
            self._janitor.limit_waiting(limited, _LIMITING_SECONDS)

    def _find_due(self, session: Session) -> None:
        seconds = seconds_until_due(session)
        self._due_at = None if seconds is None else monotonic() + seconds

    def _find_pause(self, attention: Attention) -> float:
        now = monotonic()
        waits = [
            self._poll_at - now,
            self._rates_at - now,
            self._lease.seconds_left,
            self.settlements.seconds_left,
        ]
        if self._due_at is not None:
            waits.append(self._due_at - now)
        free = self._claims.seconds_until_free()
        if free is not None:
            waits.append(free)
        if any(
            attention.is_hot(one.queue_name) and self._should_look(one)
            for one in self._find_demands()
        ):
            return 0.0
        return max(0.0, min(waits))

    def _find_names(self) -> frozenset[str]:
        return frozenset(demand.queue_name for demand in self._find_demands())

    def _release(self) -> None:
        if os.getpid() != self._process_id:
            return
        try:
            with self._working, self._database.session() as session, suppress(LeaseLostError):
                self.settlements.write(session)
                self._lease.release(session)
        except AwayError as error:
            logger.warning("What was not acknowledged comes back with the lease's end: %s", error)
        finally:
            self._lease.end_life()
