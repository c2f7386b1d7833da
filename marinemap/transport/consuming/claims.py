"""Claiming messages from a queue: of tasks with a rate as far as it allows, and all others."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic
from typing import Any

from ..database import Database
from ..database.contract import Claim, Row, Session
from .demand import Claimed, Demand
from .rates import LimitedClaim, adopt, claim_limited
from .settlements import Settlements
from .starts import make_permit
from .window import slack_ms

# Which of some queues to look at: one statement for all of them, however many are empty.
_WAITING = (
    "SELECT asked.queue_name FROM {asked} AS asked WHERE EXISTS "
    "(SELECT 1 FROM broker_messages AS m WHERE m.queue_name = asked.queue_name "
    "AND m.claimed_by IS NULL AND m.due_at_ms IS NULL AND m.rate_key IS NULL) OR EXISTS "
    "(SELECT 1 FROM broker_rates AS r WHERE r.max_starts IS NOT NULL AND EXISTS "
    "(SELECT 1 FROM broker_messages AS m WHERE m.rate_key = r.task_name "
    "AND m.queue_name = asked.queue_name AND m.claimed_by IS NULL AND m.due_at_ms IS NULL))"
)


@dataclass(frozen=True)
class LimitedTask:
    """A task with a rate, of which messages wait in a queue."""

    queue_name: str
    task_name: str
    max_starts: int
    window_ms: int


@dataclass(frozen=True)
class Look:
    """What a look at a queue brought, and whether more may be there now."""

    claimed: list[Claimed]
    is_empty: bool


class Claims:
    """Claims on behalf of one consumer."""

    def __init__(self, database: Database, consumer_id: str, settlements: Settlements) -> None:
        self._database = database
        self._consumer_id = consumer_id
        self._settlements = settlements
        # As the last look at each queue told.
        self._limited: dict[str, list[LimitedTask]] = {}
        # Until when a task has had all its starts; a changed rate is another key.
        self._blocked_until: dict[LimitedTask, float] = {}
        # Tasks with and without a rate go first in turn, where there is not room for both. Those
        # without at the first look, which tells of the others: whoever gets one message looks once.
        self._limited_first = True

    def look(self, session: Session, demand: Demand) -> Look:
        """Claim what a demand has room for; acknowledgements are written with it."""
        room = demand.room()
        claimed: list[Claimed] = []
        self._limited_first = not self._limited_first
        if self._limited_first:
            claimed += self._claim_limited(session, demand, room)
        is_others_empty = False
        if len(claimed) < room:
            others = self._claim_others(session, demand, room - len(claimed))
            claimed += others.claimed
            is_others_empty = others.is_empty
        if not self._limited_first and len(claimed) < room:
            claimed += self._claim_limited(session, demand, room - len(claimed))
        return Look(claimed, is_others_empty and not self._may_start_more(demand.queue_name))

    def seconds_until_free(self) -> float | None:
        """Return how long until a task that had all its starts may be tried again."""
        return min((until - monotonic() for until in self._blocked_until.values()), default=None)

    def take_freed(self) -> set[str]:
        """Return the queues in which a task may be tried again; each once."""
        now = monotonic()
        freed = [task for task, until in self._blocked_until.items() if until <= now]
        for task in freed:
            del self._blocked_until[task]
        return {task.queue_name for task in freed}

    def _claim_others(self, session: Session, demand: Demand, room: int) -> Look:
        name, consumer_id = demand.queue_name, self._consumer_id
        if demand.no_ack:
            claim = self._database.take(session, consumer_id, name, room)
        else:
            claim = self._claim_and_acknowledge(session, name, room)
        self._limited[name] = [LimitedTask(name, *task) for task in json.loads(claim.limited)]
        strays = [row.id for row in claim.messages if row.is_stray]
        if strays:
            adopt(self._database, session, consumer_id, strays)
        claimed = [_make_claimed(row, demand) for row in claim.messages if not row.is_stray]
        # Of the tasks of strays only the next look tells.
        return Look(claimed, is_empty=not strays and len(claimed) < room)

    def _claim_and_acknowledge(self, session: Session, queue_name: str, room: int) -> Claim:
        ids = self._settlements.take_acknowledged()
        try:
            claim = self._database.claim(session, self._consumer_id, queue_name, room, ids)
        except BaseException:
            self._settlements.put_back(ids)
            raise
        self._settlements.report(ids, len(ids) - claim.acknowledged)
        return claim

    def _claim_limited(self, session: Session, demand: Demand, room: int) -> list[Claimed]:
        claimed: list[Claimed] = []
        for task in self._limited.get(demand.queue_name, []):
            if self._is_blocked(task) or len(claimed) >= room:
                continue
            limited = claim_limited(
                self._database,
                session,
                self._consumer_id,
                task.task_name,
                task.queue_name,
                room - len(claimed),
            )
            if limited.wait_ms is not None:
                self._blocked_until[task] = monotonic() + limited.wait_ms / 1000
            elif len(limited.messages) < room - len(claimed):
                # None is left: the next look tells of those that come.
                self._limited[demand.queue_name] = [
                    other for other in self._limited[demand.queue_name] if other != task
                ]
            claimed += self._permit(demand, task, limited)
        return claimed

    def _permit(self, demand: Demand, task: LimitedTask, limited: LimitedClaim) -> list[Claimed]:
        slack = slack_ms(task.window_ms, self._database.options.start_slack_seconds)
        permit = make_permit(task.task_name, limited.asked_at_ms, limited.counted_at_ms, slack)
        if demand.no_ack:
            for row in limited.messages:
                self._settlements.acknowledge(row.id)
        return [_make_claimed(row, demand, permit) for row in limited.messages]

    def _may_start_more(self, queue_name: str) -> bool:
        return any(not self._is_blocked(task) for task in self._limited.get(queue_name, []))

    def _is_blocked(self, task: LimitedTask) -> bool:
        return self._blocked_until.get(task, 0.0) > monotonic()


def find_waiting(session: Session, queue_names: Iterable[str]) -> set[str]:
    """Return those of some queues in which messages wait to be claimed."""
    rows = session.run(_WAITING, names=sorted(queue_names))
    return {row.queue_name for row in rows}


def _make_claimed(row: Row, demand: Demand, permit: dict[str, Any] | None = None) -> Claimed:
    stored = (row.id, row.queue_name, row.attempts, row.payload)
    return Claimed(*stored, is_taken=demand.no_ack, permit=permit)
