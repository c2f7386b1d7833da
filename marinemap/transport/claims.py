"""Claiming messages for what a consumer has room for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from time import monotonic
from typing import NamedTuple

from marinemap.transport import claim_statements
from marinemap.transport.acknowledgements import Acknowledgements
from marinemap.transport.engine import Database
from marinemap.transport.limits import Limits
from marinemap.transport.resuming import Resumption
from marinemap.transport.sessions import DirectSession, Row


@dataclass(frozen=True)
class Claimed:
    """A message in this consumer's hands."""

    message_id: int
    queue_name: str
    attempts: int
    payload: str


class DemandKey(NamedTuple):
    """A channel, whether its messages need no acknowledgement, and the queues it consumes from."""

    channel_id: int
    no_ack: bool
    queue_names: tuple[str, ...]


@dataclass(frozen=True)
class Demand:
    """Queues that may be claimed from now, and how many messages they have room for."""

    key: DemandKey
    queue_names: tuple[str, ...]
    room: int
    # Whether to wait a little for more room, because the consumer has enough to do.
    is_busy: bool
    hand_over: Callable[[list[Claimed]], None] = field(compare=False)


class Claims:
    """Claims on behalf of one consumer, first for the tasks that a rate limits."""

    def __init__(
        self,
        database: Database,
        consumer_id: str,
        limits: Limits,
        acknowledgements: Acknowledgements,
    ) -> None:
        self._database = database
        self._consumer_id = consumer_id
        self._limits = limits
        self._acknowledgements = acknowledgements

    def claim(
        self, session: DirectSession, demand: Demand, resumption: Resumption
    ) -> list[Claimed]:
        """Claim for a demand; on PostgreSQL acknowledgements are written with it."""
        rows = self._claim_rows(session, demand, resumption)
        return [Claimed(row[0], row[1], row[4], row[5]) for row in rows]

    def _claim_rows(
        self, session: DirectSession, demand: Demand, resumption: Resumption
    ) -> list[Row]:
        claimed = self._limits.claim(session, list(demand.queue_names), demand.room)
        room = demand.room - len(claimed)
        if not room:
            return claimed
        if self._database.dialect_name == "postgresql":
            return claimed + self._claim_from_postgresql(session, demand, room, resumption)
        return claimed + self._claim_from_sqlite(session, demand, room)

    def _claim_from_postgresql(
        self, session: DirectSession, demand: Demand, room: int, resumption: Resumption
    ) -> list[Row]:
        lanes = resumption.find_lanes(demand.queue_names)
        began = monotonic()
        claimed = self._claim_lanes(session, demand, room, lanes)
        if lanes is None:
            resumption.note_look(monotonic() - began)
        elif len(claimed) < room:
            resumption.begin()
            return claimed + self._claim_lanes(session, demand, room - len(claimed), None)
        if len(claimed) == room:
            resumption.note(claimed)
        return claimed

    def _claim_lanes(
        self,
        session: DirectSession,
        demand: Demand,
        room: int,
        lanes: dict[str, list[object]] | None,
    ) -> list[Row]:
        ids = self._acknowledgements.take_acknowledged()
        try:
            rows = session.run(
                claim_statements.claim_postgresql(is_resuming=lanes is not None),
                consumer_id=self._consumer_id,
                ids=ids,
                limit=room,
                **(lanes or {"queue_names": list(demand.queue_names)}),
            )
        except BaseException:
            self._acknowledgements.put_back(ids)
            raise
        self._acknowledgements.report_refused(len(ids) - rows[0][0])
        claimed = [row[1:-1] for row in rows if row[1] is not None]
        return _in_order(self._limits.adopt(session, claimed))

    def _claim_from_sqlite(self, session: DirectSession, demand: Demand, room: int) -> list[Row]:
        count = len(demand.queue_names)
        names = {f"queue_{number}": name for number, name in enumerate(demand.queue_names)}
        # A look takes no write lock, which the web site may need.
        if not session.run(claim_statements.is_any_waiting(count), **names)[0][0]:
            return []
        with self._acknowledgements.writing(session):
            rows = session.run(
                claim_statements.claim_sqlite(count),
                consumer_id=self._consumer_id,
                limit=room,
                **names,
            )
        return _in_order(self._limits.adopt(session, rows))


def _in_order(rows: Iterable[Row]) -> list[Row]:
    # RETURNING answers in no particular order.
    return sorted(rows, key=lambda row: (-row[2], row[0]))
