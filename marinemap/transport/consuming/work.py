"""What a consumer does in the database: claim, settle and renew, one thread at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from ..database import Database
from ..database.contract import Session
from ..errors import AwayError
from .claims import Claims, Look
from .demand import Demand
from .lease import Lease
from .settlements import Settlements


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

    @contextmanager
    def begin(self) -> Iterator[None]:
        """Let one thread at a time work; note where it was left without an answer."""
        with self._lock:
            try:
                yield
            except AwayError:
                self._is_unsure = True
                raise

    def doubt(self) -> None:
        """Know that the database may not have kept what it answered."""
        self._is_unsure = True

    def make_sure(self, session: Session) -> None:
        """After a failure let the table say what is known here, before anything is claimed."""
        if self._is_unsure:
            self.settlements.write(session)
            self.settlements.say_again(session)
            self.settlements.give_back_unheard(session)
            self._is_unsure = False

    def claim(self, session: Session, demand: Demand) -> Look:
        """Claim what a demand has room for, and hand it over."""
        look = self.claims.look(session, demand)
        if look.claimed:
            self.settlements.hold(one.message_id for one in look.claimed if not one.is_taken)
            demand.hand_over(look.claimed)
        return look

    def release(self, session: Session) -> None:
        """Write what was settled, give back the rest, be a consumer no more."""
        self.make_sure(session)
        self.settlements.write(session)
        self.lease.release(session)
