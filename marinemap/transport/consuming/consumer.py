"""A consumer: the thread that claims messages and settles them, over connections that may break."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable
from contextlib import closing
from time import monotonic

from ..database import Database
from ..database.contract import Session
from ..database.signals import Signal
from ..errors import AwayError, LeaseLostError
from ..publishing.queues import delete_unused
from .demand import Demand
from .janitor import Janitor
from .outage import Outage
from .rates import RateStatements
from .rounds import Rounds
from .settlements import Settlements
from .work import Work

logger = logging.getLogger(__name__)

# Who leaves tries for so long to say so.
_LEAVING_SECONDS = 2.0


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
        self._work = Work(database)
        self._rates = RateStatements(database)
        self._janitor = Janitor(database, self._work.consumer_id)
        self._signal = Signal()
        self._process_id = os.getpid()
        self._stopping = False
        self._rounds: Rounds | None = None
        self._thread = threading.Thread(target=self._run, name="queue-consumer", daemon=True)

    @property
    def consumer_id(self) -> str:
        """What its claims are written under."""
        return self._work.consumer_id

    @property
    def settlements(self) -> Settlements:
        """Where any thread says what becomes of a message."""
        return self._work.settlements

    def start(self) -> None:
        """Register and begin.

        Raises
        ------
        AwayError
            The database is away.
        """
        with self._database.session() as session:
            self._work.lease.acquire(session)
        self._thread.start()
        self._janitor.start()

    def wake(self) -> None:
        """Look again: there is room, a new queue, or something to give back."""
        self._signal.set()

    def notice_acknowledgement(self, has_time: bool) -> None:
        """Look at an acknowledgement: soon, with those that follow it, or at once."""
        rounds = self._rounds
        # Awake it sees by itself what there is: a wake would only send it on another round.
        looks_at = 0.0 if rounds is None else rounds.looks_at
        pause = self._database.options.flush_seconds if has_time else 0.0
        if looks_at > monotonic() + pause:
            self._signal.set()

    def settle_now(self) -> None:
        """Write what is settled, in the caller's thread."""
        with self._work.begin(), self._database.session() as session:
            self._work.settle(session)

    def leave_queues(self, find_left: Callable[[], set[str]]) -> None:
        """Consume from some queues no more; those that are auto-delete go with the last one."""
        with self._work.begin(), self._database.session() as session:
            left = find_left()
            self._work.leave(session, left)
        # There may be thousands, and the lease has to be renewed meanwhile.
        delete_unused(self._database, left)

    def claim_now(self, demand: Demand) -> None:
        """Look for a message in the caller's thread, for one that it has just given back too."""
        with self._work.begin(), self._database.session() as session:
            self._work.settle(session)
            self._work.claim(session, demand)

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
        try:
            self._release()
        finally:
            if error is not None:
                self._fail(error)

    def _serve_until_stopped(self) -> None:
        outage = Outage("The queue's database is away, trying again: %s")
        while not self._stopping:
            try:
                self._serve(outage)
            except AwayError as error:
                # Also where nothing was asked meanwhile: a crash undoes what was answered.
                self._work.doubt()
                outage.tell(error)
                outage.wait(self._signal)

    def _serve(self, outage: Outage) -> None:
        """Work on one database connection until it breaks."""
        with (
            closing(self._database.open_consumer_session()) as session,
            closing(self._make_rounds(session)) as self._rounds,
        ):
            self._rounds.begin()
            while not self._stopping:
                self._rounds.go_round()
                outage.end()

    def _make_rounds(self, session: Session) -> Rounds:
        return Rounds(
            self._database,
            session,
            self._work,
            self._find_demands,
            self._rates,
            self._janitor,
            self._signal,
        )

    def _release(self) -> None:
        if os.getpid() != self._process_id:
            return
        try:
            self._leave()
        finally:
            self._work.lease.end_life()

    def _leave(self) -> None:
        """Write what was said and give back the rest, also where a connection is lost over it."""
        outage = Outage("A consumer that ends cannot say so yet: %s")
        until = monotonic() + _LEAVING_SECONDS
        while True:
            try:
                with self._work.begin(), self._database.session() as session:
                    return self._work.release(session)
            except LeaseLostError:
                return
            except AwayError as error:
                if monotonic() > until:
                    logger.warning("What is held comes back with the lease's end: %s", error)
                    return
                outage.tell(error)
            outage.wait(self._signal)
