"""Dead letters: looking at them, sending them again, discarding them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Text, bindparam, delete, func, select

from marinemap.errors import ServiceError, did_you_mean, quote
from marinemap.transport.dialects import among, list_bind, now_ms
from marinemap.transport.engine import Database
from marinemap.transport.exchanges import Exchanges
from marinemap.transport.payloads import read_expiration_ms, read_payload, read_time_ms
from marinemap.transport.publishing import Outgoing, Publisher, QueueFullError
from marinemap.transport.sessions import DirectSession, Row
from marinemap.transport.tables import dead_letters

# Dead letters in one transaction: on SQLite it holds the only write lock.
_BATCH = 500
# Unreadable dead letters that an error names; their number has no bound.
_NAMED = 10

_d = dead_letters.c
_newest = (
    select(
        _d.id,
        _d.queue_name,
        _d.task_name,
        _d.owner,
        _d.correlation_id,
        _d.attempts,
        _d.reason,
        _d.published_at_ms,
        _d.died_at_ms,
    )
    .order_by(_d.id.desc())
    .limit(bindparam("limit", type_=BigInteger()))
)
_last_id = select(func.max(_d.id))
_page = (
    select(_d.id)
    .where(_d.id > bindparam("after_id", type_=BigInteger()))
    .where(_d.id <= bindparam("last_id", type_=BigInteger()))
    .order_by(_d.id)
    .limit(_BATCH)
)
_page_of_task = _page.where(_d.task_name == bindparam("task_name", type_=Text()))
_payloads = select(_d.id, _d.payload).where(among(_d.id, list_bind("ids"))).order_by(_d.id)
# Locked in the same order by everybody, or two operators could each wait for the other.
_locked = select(_d.id).where(among(_d.id, list_bind("ids"))).order_by(_d.id).with_for_update()
_take = (
    delete(dead_letters)
    .where(_d.id.in_(_locked))
    .returning(_d.id, _d.queue_name, _d.payload, _d.published_at_ms)
)
_task_names = select(_d.task_name).where(_d.task_name.is_not(None)).distinct()
_clock = select(now_ms())


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
        return [DeadLetter(*row) for row in session.run(_newest, limit=limit)]


def requeue_dead_letters(database: Database, which: Selection) -> int:
    """Send dead letters again, each to the queue that it died in; return how many.

    They are published anew: behind what waits, counted from no delivery, without an ETA or an
    expiry that has passed. Named ids are one transaction. All, or all of a task, are a
    transaction for each 500, those that die meanwhile left out.

    Raises
    ------
    ServiceError
        One cannot be read, or there is none of that id or task; nothing was done.
    QueueFullError
        A queue has not room for them. Its transaction was undone; the message tells how many
        were sent before it.
    """
    publisher = Publisher(database, Exchanges(database))
    last_id = _find_last_id(database, which)
    _check_readable(database, which, last_id)
    sent = 0
    for ids in _find_pages(database, which, last_id):
        try:
            with database.transaction() as session:
                taken = _take_out(session, ids, which)
                _store_again(session, publisher, taken)
        except QueueFullError as error:
            raise _tell_progress(error, sent) from error
        sent += len(taken)
    return sent


def discard_dead_letters(database: Database, which: Selection) -> int:
    """Delete dead letters for good; return how many.

    Transactions are as for `requeue_dead_letters`.

    Raises
    ------
    ServiceError
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
            known = sorted(row[0] for row in session.run(_task_names))
            if which.task_name not in known:
                raise _no_such_task(which.task_name, known)
        return int(session.run(_last_id)[0][0] or 0)


def _find_pages(database: Database, which: Selection, last_id: int) -> Iterator[list[int]]:
    if which.ids is not None:
        yield sorted(which.ids)
        return
    statement, names = _page, {}
    if which.task_name is not None:
        statement, names = _page_of_task, {"task_name": which.task_name}
    after_id = 0
    while True:
        with database.session() as session:
            rows = session.run(statement, after_id=after_id, last_id=last_id, **names)
        if not rows:
            return
        yield [row[0] for row in rows]
        after_id = rows[-1][0]


def _check_readable(database: Database, which: Selection, last_id: int) -> None:
    """Refuse all where one cannot be read: rows never change, so this holds for what follows."""
    unreadable: list[tuple[int, str]] = []
    for ids in _find_pages(database, which, last_id):
        with database.session() as session:
            rows = session.run(_payloads, ids=ids)
        for dead_letter_id, payload in rows:
            if reason := _find_fault(payload):
                unreadable.append((dead_letter_id, reason))
    if unreadable:
        raise _cannot_be_read(unreadable)


def _find_fault(payload: str) -> str | None:
    try:
        _read_message(payload)
    # Something else wrote it, or a part of it: there is no telling how it fails.
    except Exception as error:
        return quote(str(error))
    return None


def _read_message(payload: str) -> dict[str, Any]:
    message = read_payload(payload)
    if "body" not in message:
        raise ValueError("it has no body")
    if not isinstance(message.get("headers") or {}, dict):
        raise ValueError("its headers are no mapping")
    return message


def _take_out(session: DirectSession, ids: list[int], which: Selection) -> list[Row]:
    """Delete dead letters and return them by age: only one of two who try gets a row."""
    taken = sorted(session.run(_take, ids=ids))
    if which.ids is not None and len(taken) < len(ids):
        raise _no_such_id(min(set(ids) - {row[0] for row in taken}))
    return taken


def _store_again(session: DirectSession, publisher: Publisher, taken: list[Row]) -> None:
    clock_ms = session.run(_clock)[0][0]
    by_queue: defaultdict[str, list[Outgoing]] = defaultdict(list)
    for _, queue_name, payload, published_at_ms in taken:
        message = _read_message(payload)
        _forget_past_times(message, published_at_ms, clock_ms)
        by_queue[queue_name].append(publisher.prepare(message))
    for queue_name, outgoing in by_queue.items():
        publisher.store_in_queue(session, outgoing, queue_name)


def _forget_past_times(message: dict[str, Any], published_at_ms: int, clock_ms: int) -> None:
    """Remove an ETA and expiries that have passed; count a time to live from its beginning."""
    headers, properties = message.get("headers") or {}, message["properties"]
    # Celery itself drops a task whose header `expires` has passed.
    for name in ("eta", "expires"):
        moment_ms = read_time_ms(headers.get(name))
        if moment_ms is not None and moment_ms <= clock_ms:
            headers[name] = None
    ttl_ms = read_expiration_ms(properties.pop("expiration", None))
    if ttl_ms is not None and published_at_ms + ttl_ms > clock_ms:
        properties["expiration"] = str(published_at_ms + ttl_ms - clock_ms)


def _tell_progress(error: QueueFullError, sent: int) -> QueueFullError:
    done = f"{sent} were sent again before that" if sent else "Nothing was sent again"
    return QueueFullError(
        f"{error.message} {done}; all others are dead letters as before.",
        field=error.field,
        value=error.value,
        hint=error.hint,
    )


def _cannot_be_read(unreadable: list[tuple[int, str]]) -> ServiceError:
    named = ", ".join(f"{number} ({reason})" for number, reason in unreadable[:_NAMED])
    more = f" and {len(unreadable) - _NAMED} more" if len(unreadable) > _NAMED else ""
    return ServiceError(
        f"what is stored of these dead letters cannot be read: {named}{more}. Nothing was done.",
        field="id",
        value=unreadable[0][0],
        hint="Discard them, or name only others.",
    )


def _no_such_id(dead_letter_id: int) -> ServiceError:
    return ServiceError(
        f"there is no dead letter {dead_letter_id}: it never was, or has been sent again or "
        "discarded. Nothing was done.",
        field="id",
        value=dead_letter_id,
        hint="List the dead letters and name those that are there.",
    )


def _no_such_task(task_name: str, known: list[str]) -> ServiceError:
    there = (
        f"there are some of {', '.join(map(quote, known[:_NAMED]))}" if known else "nor of any task"
    )
    return ServiceError(
        f"no dead letters of '{quote(task_name)}'; {there}.{did_you_mean(task_name, known)}",
        field="task",
        value=task_name,
    )
