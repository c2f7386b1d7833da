"""What a consumer does in the database: claim, settle and renew, one thread at a time."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from uuid import uuid4

from ..database import Database
from ..database.contract import Session
from ..errors import AwayError, BusyError
from .claims import Claims, Look
from .demand import Demand
from .lease import Lease
from .settlements import Settlements

# Cut off from a consumer, a server goes on with its statement: until its limit, and to the commit.
_LONGEST_STATEMENTS = 3
# Meanwhile what it may have claimed is looked for so often.
_LOOK_AGAIN_SECONDS = 1.0


class Work:
    """Belongs to a consumer id; any session will do for it, and they come and go."""

    def __init__(self, database: Database) -> None:
        self.consumer_id = uuid4().hex
        self.settlements = Settlements(database, self.consumer_id)
        self.lease = Lease(database, self.consumer_id)
        self.claims = Claims(database, self.consumer_id, self.settlements)
        self._lock = threading.Lock()
        # A statement failed, and the database may have done it all the same.
        self._is_unsure = False
        # Or is still doing it.
        self._goes_on_seconds = _LONGEST_STATEMENTS * database.options.statement_seconds
        self._goes_on_until = 0.0
        self._looks_again_at = math.inf

    @contextmanager
    def begin(self) -> Iterator[None]:
        """Let one thread at a time work; note where it was left without an answer."""
        with self._lock:
            try:
                yield
            except AwayError as error:
                self._is_unsure = True
                if not isinstance(error, BusyError):
                    self._goes_on_until = monotonic() + self._goes_on_seconds
                raise

    def doubt(self) -> None:
        """Know that the database may not have kept what it answered."""
        self._is_unsure = True

    def make_sure(self, session: Session) -> None:
        """After a failure let the table say what is known here, before anything is claimed."""
        if self._is_unsure:
            self.settlements.write(session, is_again=True)
            self.settlements.say_again(session)
            self._look_for_unheard(session)
            self._is_unsure = False
        elif self.seconds_left <= 0:
            self._look_for_unheard(session)

    @property
    def seconds_left(self) -> float:
        """How long until it should be made sure once more; infinite where nothing is in doubt."""
        return self._looks_again_at - monotonic()

    def claim(self, session: Session, demand: Demand) -> Look:
        """Claim what a demand has room for, and hand it over."""
        look = self.claims.look(session, demand)
        if look.claimed:
            self.settlements.hold(one.message_id for one in look.claimed if not one.is_taken)
            demand.hand_over(look.claimed)
        return look

    def settle(self, session: Session) -> None:
        """Write what was settled, and make sure of what may have been written before."""
        self.make_sure(session)
        self.settlements.write(session)

    def leave(self, session: Session, queue_names: set[str]) -> None:
        """Note which queues are consumed from no more: now they may go, with their messages."""
        self.settle(session)
        self.lease.unsubscribe(session, queue_names)

    def _look_for_unheard(self, session: Session) -> None:
        goes_on = monotonic() < self._goes_on_until
        self.settlements.give_back_unheard(session)
        self._looks_again_at = monotonic() + _LOOK_AGAIN_SECONDS if goes_on else math.inf

    def release(self, session: Session) -> None:
        """Write what was settled, give back the rest, be a consumer no more."""
        self.settle(session)
        self.lease.release(session)
