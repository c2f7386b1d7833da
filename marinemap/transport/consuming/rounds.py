"""What a consumer does over and over on one database connection, until that breaks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from time import monotonic

from ..database import Database
from ..database.contract import Session
from ..database.signals import Signal
from ..database.watching import Notice
from ..errors import BusyError
from ..publishing.queues import delete_unused
from .attention import Attention
from .claims import find_waiting
from .delayed import promote, seconds_until_due
from .demand import Demand
from .janitor import Janitor
from .rates import RateStatements
from .work import Work

logger = logging.getLogger(__name__)

# The application's rates are compared this often; that costs no query while they are the same.
_RATES_SECONDS = 1.0
# Where a rate is new, what waits already is put in turns first, unless that takes longer.
_LIMITING_SECONDS = 2.0
# After it has run out of work a consumer looks again so soon, and then each time later: who stored
# a message before it was expected, and has yet to commit it, tells nobody.
_FIRST_POLL_SECONDS = 0.1
# What needs a lock that another holds is tried again after this.
_BUSY_RETRY_SECONDS = 0.1


class Rounds:
    """Each round claims, settles and renews what is due, then sleeps until there is more.

    Parameters
    ----------
    find_demands : callable
        Returns the queues consumed from, with room or without.
    signal : Signal
        Ends a sleep.
    """

    def __init__(
        self,
        database: Database,
        session: Session,
        work: Work,
        find_demands: Callable[[], Iterable[Demand]],
        rates: RateStatements,
        janitor: Janitor,
        signal: Signal,
    ) -> None:
        self._database = database
        self._session = session
        self._work = work
        self._find_demands = find_demands
        self._rates = rates
        self._janitor = janitor
        self._signal = signal
        self._watcher = database.watch(session)
        self._attention = Attention(self._watcher)
        self._due_at: float | None = None
        self._poll_at = self._rates_at = 0.0
        self._poll_pause = _FIRST_POLL_SECONDS
        self._settled_at = monotonic() + database.settling_seconds
        # When the thread looks again by itself; 0 while it is awake.
        self.looks_at = 0.0

    def begin(self) -> None:
        """Say first that the consumer lives, and what rates its tasks have."""
        with self._work.begin():
            self._work.lease.renew(self._session)
            self._state_rates()

    def go_round(self) -> None:
        """Do what is due, then sleep; a database that others keep busy is no reason to end."""
        try:
            with self._work.begin():
                self._do_work()
        except BusyError as error:
            # Nothing is lost by trying again, and a worker must not give up for that.
            self._tell_busy(error)
            self._signal.wait(_BUSY_RETRY_SECONDS)
        notice = self._sleep()
        try:
            with self._work.begin():
                self._heed(notice)
        except BusyError as error:
            self._tell_busy(error)
            # What the notice told is not known.
            self._attention.heat()

    def close(self) -> None:
        """Watch for messages no more."""
        self._watcher.close()

    def _do_work(self) -> None:
        self._renew_when_due()
        self._work.make_sure(self._session)
        if self._due_at is not None and monotonic() >= self._due_at:
            self._promote()
        self._claim_all()
        if self._work.settlements.seconds_left <= 0:
            self._work.settlements.write(self._session)

    def _renew_when_due(self) -> None:
        if self._work.lease.seconds_left <= 0:
            self._work.lease.renew(self._session)

    def _promote(self) -> None:
        names = promote(self._database, self._session)
        self._attention.heat(names)
        self._find_due()
        if not names and self._due_at is not None:
            # Due, but another has it locked: to ask at once, and again, would help nobody.
            self._due_at = max(self._due_at, monotonic() + _BUSY_RETRY_SECONDS)

    def _claim_all(self) -> None:
        demands = list(self._find_demands())
        names = frozenset(demand.queue_name for demand in demands)
        self._attention.follow(names)
        self._leave(self._work.lease.find_left(names))
        self._work.lease.subscribe(self._session, names)
        self._attention.heat(self._work.claims.take_freed())
        empty: set[str] = set()
        for demand in filter(self._should_look, demands):
            # A look at thousands of queues may outlast a lease.
            self._renew_when_due()
            if self._work.claim(self._session, demand).is_empty:
                empty.add(demand.queue_name)
            else:
                self._attention.note_messages(demand.queue_name)
        if empty and self._attention.note_empty(empty):
            self._poll_pause = _FIRST_POLL_SECONDS
            self._poll_at = min(self._poll_at, monotonic() + self._poll_pause)

    def _leave(self, queue_names: set[str]) -> None:
        """Leave what another thread leaves now, or could not while the database was busy."""
        if queue_names:
            self._work.leave(self._session, queue_names)
        for name in queue_names:
            self._renew_when_due()
            delete_unused(self._database, {name})

    def _should_look(self, demand: Demand) -> bool:
        if not self._attention.is_hot(demand.queue_name) or demand.room() <= 0:
            return False
        # Put off while acknowledgements gather: one commit then serves more messages.
        return not (demand.is_busy() and 0 < self._work.settlements.seconds_left <= 1)

    def _sleep(self) -> Notice:
        # Until the pause is known, an acknowledgement that it may not count must wake.
        self.looks_at = float("inf")
        pause = self._find_pause()
        self.looks_at = monotonic() + pause
        notice = self._watcher.wait(pause, self._signal)
        self.looks_at = 0.0
        self._signal.clear()
        return notice

    def _heed(self, notice: Notice) -> None:
        now = monotonic()
        is_polling = now >= self._poll_at
        if is_polling:
            # Once more when a database that has just started gives out messages again.
            is_settled = now > self._settled_at
            poll_at = now + self._poll_pause
            self._poll_at = poll_at if is_settled else self._settled_at + 0.1
            self._poll_pause = min(2 * self._poll_pause, self._watcher.poll_seconds)
        if notice.is_any or is_polling:
            self._attention.heat(find_waiting(self._session, self._attention.followed))
        else:
            self._attention.heat(notice.queue_names)
        if notice.is_delayed or is_polling:
            self._find_due()
        if now >= self._rates_at:
            self._state_rates()

    def _state_rates(self) -> None:
        self._rates_at = monotonic() + _RATES_SECONDS
        if limited := self._rates.state(self._session):
            self._janitor.limit_waiting(limited, _LIMITING_SECONDS)

    def _find_due(self) -> None:
        seconds = seconds_until_due(self._session)
        self._due_at = None if seconds is None else monotonic() + seconds

    def _find_pause(self) -> float:
        if any(map(self._should_look, self._find_demands())):
            return 0.0
        now = monotonic()
        waits = [
            self._poll_at - now,
            self._rates_at - now,
            self._work.lease.seconds_left,
            self._work.settlements.seconds_left,
            self._work.seconds_left,
        ]
        if self._due_at is not None:
            waits.append(self._due_at - now)
        free = self._work.claims.seconds_until_free()
        if free is not None:
            waits.append(free)
        return max(0.0, min(waits))

    def _tell_busy(self, error: BusyError) -> None:
        logger.warning("Another keeps the queue's database busy: %s", error)
