"""Dead letters: looking at them, sending them again, discarding them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from ..database import Database
from ..database.contract import Row, Session
from ..errors import QueueFullError, TransportError, did_you_mean, quote
from ..publishing.publisher import Outgoing, Publisher
from ..publishing.routes import Routes
from .dead_payloads import find_fault, forget_past_times, read_message

# Dead letters in one transaction: on SQLite it holds the only write lock.
_BATCH = 500
# Unreadable dead letters that an error names; their number has no bound.
_NAMED = 10

_NEWEST = (
    "SELECT id, queue_name, task_name, owner, correlation_id, attempts, reason, "
    "published_at_ms, died_at_ms FROM broker_dead_letters "
    "ORDER BY id DESC LIMIT CAST(:limit AS BIGINT)"
)
_START_OF_PAYLOAD = (
    "SELECT substr(payload, 1, CAST(:most AS INTEGER)) AS text, length(payload) AS length "
    "FROM broker_dead_letters WHERE id = CAST(:id AS BIGINT)"
)
_LAST_ID = "SELECT max(id) AS id FROM broker_dead_letters"
_PAGE = (
    "SELECT id FROM broker_dead_letters WHERE id > CAST(:after_id AS BIGINT) "
    f"AND id <= CAST(:last_id AS BIGINT)%s ORDER BY id LIMIT {_BATCH}"
)
_PAGE_OF_ALL = _PAGE % ""
_PAGE_OF_TASK = _PAGE % " AND task_name = :task_name"
_PAYLOADS = "SELECT id, payload FROM broker_dead_letters WHERE id {in_ids} ORDER BY id"
# Locked in the same order by everybody, or two operators could each wait for the other.
_TAKE = """
WITH chosen AS MATERIALIZED
    (SELECT id FROM broker_dead_letters WHERE id {in_ids} ORDER BY id {lock})
DELETE FROM broker_dead_letters WHERE id IN (SELECT id FROM chosen)
RETURNING id, queue_name, payload, published_at_ms
"""
_TASK_NAMES = (
    "SELECT DISTINCT task_name FROM broker_dead_letters WHERE task_name IS NOT NULL "
    "ORDER BY task_name"
)
_CLOCK = "SELECT {now} AS now_ms"


@dataclass(frozen=True)
class DeadLetter:
    """A message that is no longer delivered, and why; times in ms since 1970."""

    id: int
    queue_name: str
    task_name: str | None
    owner: str
    correlation_id: str | None
    attempts: int
    reason: str
    published_at_ms: int
    died_at_ms: int


@dataclass(frozen=True)
class Selection:
    """Which dead letters are meant: all of them unless ids or a task are named."""

    ids: frozenset[int] | None = None
    task_name: str | None = None


def find_dead_letters(database: Database, limit: int) -> list[DeadLetter]:
    """Return the newest dead letters, the newest first."""
    with database.session() as session:
        return [DeadLetter(*row) for row in session.run(_NEWEST, limit=limit)]


def find_payload(database: Database, dead_letter_id: int, most: int) -> tuple[str, int] | None:
    """Return how the stored form of a dead letter begins, and its length, both in characters.

    None where there is no such dead letter, or no longer.
    """
    with database.session() as session:
        rows = session.run(_START_OF_PAYLOAD, id=dead_letter_id, most=most)
    return (rows[0].text, rows[0].length) if rows else None


def requeue_dead_letters(database: Database, which: Selection) -> int:
    """Send dead letters again, each to the queue that it died in; return how many.

    They are published anew: behind what waits, counted from no delivery, without an ETA or an
    expiry that has passed. Named ids are one transaction. All, or all of a task, are a
    transaction for each 500, those that die meanwhile left out.

    Raises
    ------
    TransportError
        One cannot be read, or there is none of that id or task; nothing was done.
    QueueFullError
        A queue has not room for them. Its transaction was undone; the message tells how many
        were sent before it.
    """
    publisher = Publisher(database, Routes())
    last_id = _find_last_id(database, which)
    _check_readable(database, which, last_id)
    sent = 0
    for ids in _find_pages(database, which, last_id):
        try:
            with database.session() as session:
                with session.begin():
                    taken = _take_out(session, ids, which)
                    _store_again(session, publisher, taken)
                database.notify(session, {row.queue_name for row in taken}, is_delayed=True)
        except QueueFullError as error:
            raise _tell_progress(error, sent) from error
        sent += len(taken)
    return sent


def discard_dead_letters(database: Database, which: Selection) -> int:
    """Delete dead letters for good; return how many.

    Transactions are as for `requeue_dead_letters`.

    Raises
    ------
    TransportError
        There is none of that id or task; nothing was done.
    """
    discarded = 0
    for ids in _find_pages(database, which, _find_last_id(database, which)):
        with database.transaction() as session:
            discarded += len(_take_out(session, ids, which))
    return discarded


def _find_last_id(database: Database, which: Selection) -> int:
    """Return the last id as of now; refuse a task that has no dead letters."""
    with database.session() as session:
        if which.task_name is not None:
            known = [row.task_name for row in session.run(_TASK_NAMES)]
            if which.task_name not in known:
                raise _no_such_task(which.task_name, known)
        return int(session.run(_LAST_ID)[0].id or 0)


def _find_pages(database: Database, which: Selection, last_id: int) -> Iterator[list[int]]:
    if which.ids is not None:
        yield sorted(which.ids)
        return
    statement, names = _PAGE_OF_ALL, {}
    if which.task_name is not None:
        statement, names = _PAGE_OF_TASK, {"task_name": which.task_name}
    after_id = 0
    while True:
        with database.session() as session:
            rows = session.run(statement, after_id=after_id, last_id=last_id, **names)
        if not rows:
            return
        yield [row.id for row in rows]
        after_id = rows[-1].id


def _check_readable(database: Database, which: Selection, last_id: int) -> None:
    """Refuse all where one cannot be read: rows never change, so this holds for what follows."""
    unreadable: list[tuple[int, str]] = []
    for ids in _find_pages(database, which, last_id):
        with database.session() as session:
            rows = session.run(_PAYLOADS, ids=ids)
        for row in rows:
            if reason := find_fault(row.payload):
                unreadable.append((row.id, reason))
    if unreadable:
        raise _cannot_be_read(unreadable)


def _take_out(session: Session, ids: list[int], which: Selection) -> list[Row]:
    """Delete dead letters and return them by age: only one of two who try gets a row."""
    taken = sorted(session.run(_TAKE, ids=ids), key=lambda row: row.id)
    if which.ids is not None and len(taken) < len(ids):
        raise _no_such_id(min(set(ids) - {row.id for row in taken}))
    return taken


def _store_again(session: Session, publisher: Publisher, taken: list[Row]) -> None:
    clock_ms = session.run(_CLOCK)[0].now_ms
    by_queue: defaultdict[str, list[Outgoing]] = defaultdict(list)
    for row in taken:
        message = read_message(row.payload)
        forget_past_times(message, row.published_at_ms, clock_ms)
        by_queue[row.queue_name].append(publisher.prepare(message))
    for queue_name, outgoing in by_queue.items():
        publisher.store_in_queue(session, outgoing, queue_name)


def _tell_progress(error: QueueFullError, sent: int) -> QueueFullError:
    done = f"{sent} were sent again before that" if sent else "Nothing was sent again"
    return QueueFullError(
        f"{error.message} {done}; all others are dead letters as before.",
        field=error.field,
        value=error.value,
        hint=error.hint,
    )


def _cannot_be_read(unreadable: list[tuple[int, str]]) -> TransportError:
    named = ", ".join(f"{number} ({reason})" for number, reason in unreadable[:_NAMED])
    more = f" and {len(unreadable) - _NAMED} more" if len(unreadable) > _NAMED else ""
    return TransportError(
        f"what is stored of these dead letters cannot be read: {named}{more}. Nothing was done.",
        field="id",
        value=unreadable[0][0],
        hint="Discard them, or name only others.",
    )


def _no_such_id(dead_letter_id: int) -> TransportError:
    return TransportError(
        f"there is no dead letter {dead_letter_id}: it never was, or has been sent again or "
        "discarded. Nothing was done.",
        field="id",
        value=dead_letter_id,
        hint="List the dead letters and name those that are there.",
    )


def _no_such_task(task_name: str, known: list[str]) -> TransportError:
    there = (
        f"there are some of {', '.join(map(quote, known[:_NAMED]))}" if known else "nor of any task"
    )
    return TransportError(
        f"no dead letters of '{quote(task_name)}'; {there}.{did_you_mean(task_name, known)}",
        field="task",
        value=task_name,
    )
