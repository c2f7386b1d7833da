"""What a queue holds: counting, purging, deleting it, and who consumes from it.

Messages are found by the partial indexes of their states, one part of a statement for each:
no index over all messages of a queue is paid for at every publish.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..database import Database
from ..database.contract import Session
from ..refusals import precondition_failed
from .statements import WAITING
from .topology import DELETE_UNBOUND

# Messages deleted by one statement: on SQLite it holds the only write lock.
_BATCH = 5000

# What is claimed is little, at most what all consumers hold.
_CLAIMED = "queue_name = :queue_name AND claimed_by IS NOT NULL"
_COUNT = "SELECT " + " + ".join(
    f"(SELECT count(*) FROM broker_messages WHERE {which})" for which in WAITING
)
COUNT_WAITING = f"{_COUNT} AS waiting"
# Up to the last that there was: who publishes meanwhile, perhaps to a new queue of that name, has
# been told that it is stored. Not by "id": the planner would take the index of all messages.
_PURGE = [
    f"DELETE FROM broker_messages WHERE id IN (SELECT id FROM (SELECT id FROM broker_messages "
    f"WHERE {which} AND (id + 0) <= CAST(:last_id AS BIGINT) LIMIT {_BATCH} {{skip_locked}}) "
    "AS picked) RETURNING id"
    for which in WAITING
]
_LAST_ID = "SELECT COALESCE(max(id), 0) AS id FROM broker_messages"
_DELETE_CLAIMED = f"DELETE FROM broker_messages WHERE {_CLAIMED} RETURNING id"
_COUNT_CONSUMERS = (
    "SELECT count(*) AS consumers FROM broker_subscriptions WHERE queue_name = :queue_name"
)
_UNBIND_ALL = "DELETE FROM broker_bindings WHERE queue_name = :queue_name RETURNING exchange_name"
_FORGET = "DELETE FROM broker_queues WHERE queue_name = :queue_name"
_LEFT = "NOT EXISTS (SELECT 1 FROM broker_subscriptions AS s WHERE s.queue_name = q.queue_name)"
_IDLE = (
    "expires_after_ms IS NOT NULL AND last_used_at_ms + expires_after_ms < {now_once} "
    f"AND {_LEFT}"
)
# What the dead have written counts for nothing; the janitor deletes it when their queues are gone.
_UNUSED = (
    "is_auto_delete AND NOT EXISTS (SELECT 1 FROM broker_subscriptions AS s JOIN broker_consumers "
    "AS c ON c.consumer_id = s.consumer_id WHERE s.queue_name = q.queue_name)"
)
IDLE_QUEUES = f"SELECT queue_name FROM broker_queues AS q WHERE {_IDLE}"
_UNUSED_QUEUES = (
    f"SELECT queue_name FROM broker_queues AS q WHERE queue_name {{in_names}} AND {_UNUSED}"
)
_DELETE_WHERE = (
    "DELETE FROM broker_queues AS q WHERE q.queue_name = :queue_name AND %s RETURNING queue_name"
)
# Who deletes locks the queue first and looks then for consumers, by another statement; who
# subscribes locks it too. So one of both sees the other.
_LOCK = "SELECT 1 AS one FROM broker_queues WHERE queue_name = :queue_name {lock}"
# What another has locked now is passed by: who tidies comes again.
_LOCK_IF_FREE = "SELECT 1 AS one FROM broker_queues WHERE queue_name = :queue_name {skip_locked}"
LOCK_IN_USE = "SELECT 1 AS one FROM broker_queues WHERE queue_name {in_names} {lock_in_use}"
TOUCH = (
    "UPDATE broker_queues SET last_used_at_ms = {now} WHERE queue_name {in_names} "
    "AND expires_after_ms IS NOT NULL"
)
# "WHERE true", or SQLite would read ON CONFLICT as part of a join.
SUBSCRIBE = (
    "INSERT INTO broker_subscriptions (consumer_id, queue_name) "
    "SELECT CAST(:consumer_id AS TEXT), queue_name FROM {asked} AS asked WHERE true "
    "ON CONFLICT DO NOTHING"
)
UNSUBSCRIBE = (
    "DELETE FROM broker_subscriptions WHERE consumer_id = :consumer_id AND queue_name {in_names}"
)


def count_waiting(session: Session, queue_name: str) -> int:
    """Count a queue's messages that nobody has claimed."""
    return int(session.run(COUNT_WAITING, queue_name=queue_name)[0].waiting)


def count_consumers(session: Session, queue_name: str) -> int:
    """Count who consumes from a queue."""
    return int(session.run(_COUNT_CONSUMERS, queue_name=queue_name)[0].consumers)


def purge(database: Database, queue_name: str) -> int:
    """Delete a queue's messages that nobody has claimed; return how many."""
    with database.session() as session:
        last_id = _find_last_id(session)
    return _purge(database, queue_name, last_id)


def delete_queue(database: Database, queue_name: str, *, if_unused: bool, if_empty: bool) -> int:
    """Delete a queue with its bindings and messages; return how many waited.

    Raises
    ------
    ChannelError
        It has consumers, or messages, and was to be deleted only without.
    """
    with database.transaction() as session:
        session.run(_LOCK, queue_name=queue_name)
        if if_unused and count_consumers(session, queue_name):
            raise precondition_failed(f"queue '{queue_name}' in use", "Channel.queue_delete")
        if if_empty and count_waiting(session, queue_name):
            raise precondition_failed(f"queue '{queue_name}' not empty", "Channel.queue_delete")
        # First what leads to it: from here on no publish finds it.
        _unbind_all(session, queue_name)
        session.run(_FORGET, queue_name=queue_name)
        session.run(_DELETE_CLAIMED, queue_name=queue_name)
        last_id = _find_last_id(session)
    # Of an empty one there is nothing but what came since: that waits for a queue of its name.
    return 0 if if_empty else _purge(database, queue_name, last_id)


def delete_if_idle(database: Database, queue_name: str) -> bool:
    """Delete a queue that nobody has used for its time; tell whether it was."""
    return _delete_where(database, _LOCK_IF_FREE, _IDLE, queue_name)


def delete_unused(database: Database, queue_names: Iterable[str]) -> None:
    """Delete those of some queues that are auto-delete, and whose last consumer has gone."""
    with database.session() as session:
        unused = session.run(_UNUSED_QUEUES, names=sorted(queue_names))
    for row in unused:
        _delete_where(database, _LOCK, _UNUSED, row.queue_name)


def _unbind_all(session: Session, queue_name: str) -> None:
    unbound = {row.exchange_name for row in session.run(_UNBIND_ALL, queue_name=queue_name)}
    if unbound:
        session.run(DELETE_UNBOUND, names=sorted(unbound))


def _delete_where(database: Database, lock: str, which: str, queue_name: str) -> bool:
    with database.transaction() as session:
        if not session.run(lock, queue_name=queue_name):
            return False
        if not session.run(_DELETE_WHERE % which, queue_name=queue_name):
            return False
        _unbind_all(session, queue_name)
        session.run(_DELETE_CLAIMED, queue_name=queue_name)
        last_id = _find_last_id(session)
    _purge(database, queue_name, last_id)
    return True


def _find_last_id(session: Session) -> int:
    return int(session.run(_LAST_ID)[0].id)


def _purge(database: Database, queue_name: str, last_id: int) -> int:
    deleted = 0
    for statement in _PURGE:
        while True:
            with database.session() as session:
                count = len(session.run(statement, queue_name=queue_name, last_id=last_id))
            deleted += count
            if count < _BATCH:
                break
    return deleted
