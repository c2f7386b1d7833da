"""What a broker other than the queue in the database leaves to the site: RabbitMQ, Redis.

Celery keeps a rate for each worker alone. Here each start of a limited task is counted in the
site's database, right before the task's first line, as the queue in the database counts it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from contextvars import copy_context
from threading import Thread
from typing import Any, TypeVar

from celery import current_app, current_task
from celery.exceptions import OperationalError
from django.conf import settings

from marinemap import transport
from marinemap.addresses import queue_in
from marinemap.errors import quote

logger = logging.getLogger(__name__)

T = TypeVar("T")

# A task that may start sooner than this holds its worker; another goes back to the broker.
_HOLDS_SECONDS = 30.0
# Rates may be changed meanwhile, and others may be faster.
_LONGEST_SLEEP_SECONDS = 5.0
_AWAY_SECONDS = 1.0
# One that is well takes a message in milliseconds.
_TAKES_SECONDS = 5.0

# What this process has said of its tasks' rates; of a process of the pool its own.
_statements: Any = None


def is_other() -> bool:
    """Tell whether the site's broker is another than the queue in a database."""
    return not str(current_app.conf.broker_url).startswith(f"{transport.SCHEME}+")


class Sending:
    """Messages on their way to a broker that may be mute.

    Its client waits without end for one that is stopped, whose disk hangs, that takes nothing for
    want of room (RabbitMQ's alarms), or lies behind a firewall that drops: each request would
    hold a thread of the web server, until there is none for pages that need no broker.

    Parameters
    ----------
    seconds : float
        How long whoever sends waits for the broker.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._unanswered: Future[Any] | None = None

    def send(self, publish: Callable[[], T]) -> T:
        """Return what publishing returns; it is done in a thread of its own.

        Raises
        ------
        OperationalError
            If the broker gives no answer in time, or has yet to answer another: then nothing is
            sent. What was sent without an answer may arrive late, beside what is sent again.
        """
        if self._unanswered is None or self._unanswered.done():
            answer: Future[T] = Future()
            work = copy_context().run
            Thread(
                target=work, args=[_answer, publish, answer], name="sending", daemon=True
            ).start()
            if wait([answer], self.seconds).done:
                return answer.result()
            self._unanswered = answer
        raise OperationalError(f"the broker has given no answer for {self.seconds:g} s")


def _answer(publish: Callable[[], T], answer: Future[T]) -> None:
    try:
        answer.set_result(publish())
    except BaseException as error:
        answer.set_exception(error)


sending = Sending(_TAKES_SECONDS)


def publish_in_time(publish: Callable[[], T], options: dict[str, Any]) -> T:
    """Publish a task; a request's does not wait for a broker that is mute.

    A task that sends others, and beat, wait: they use what belongs to their own thread.
    """
    is_of_a_thread = bool(current_task) or not options.keys().isdisjoint({"producer", "connection"})
    if is_of_a_thread or current_app.conf.task_always_eager or not is_other():
        return publish()
    return sending.send(publish)


@contextmanager
def open_queue() -> Iterator[Any]:
    """Give the database of the site's queue; None where another broker carries the messages."""
    if is_other():
        # Nothing to ask it, and it may not answer.
        yield None
        return
    with current_app.connection_or_acquire() as connection:
        is_own = connection.transport.driver_type == transport.DRIVER_TYPE
        yield connection.transport.database if is_own else None


def differences() -> list[str]:
    """Return in sentences what is kept with the site's broker, and what is not."""
    name = quote(str(current_app.conf.broker_url).partition(":")[0])
    return [
        f"The broker is '{name}', not the queue in the database.",
        "Kept: rates hold over all workers, counted in the database as tasks begin; a request "
        "that was accepted is run: one whose message the broker did not take is sent again within "
        "a minute of its return; places in line are told, by the order in which requests came.",
        "Not kept: people take no turns, and a message that the broker took and lost is sent "
        "again after ten minutes in which the workers had nothing to do.",
    ]


def wait_for_rate(task: Any) -> None:
    """Return when a task may begin by its rate over all workers, its start counted.

    A database that is away is waited for. Who has to wait for long is sent back to the broker.

    Raises
    ------
    celery.exceptions.Retry
        Where the rate allows no start for half a minute.
    """
    while task.rate_limit:
        wait_seconds = _count_start(task.name)
        if wait_seconds is None:
            return
        if wait_seconds > _HOLDS_SECONDS:
            raise task.retry(countdown=wait_seconds, max_retries=None)
        time.sleep(min(wait_seconds, _LONGEST_SLEEP_SECONDS))


def _count_start(task_name: str) -> float | None:
    """Count a start if the rate allows one; return how many seconds to wait otherwise."""
    # Imported here: only workers of such a site need it.
    from marinemap.transport.consuming.rates import count_again
    from marinemap.transport.errors import AwayError

    try:
        database = _rates_database()
        counted = count_again(database, task_name, counted_at_ms=0)
    except AwayError as error:
        logger.warning("A task waits until its rate can be asked for: %s", error)
        return _AWAY_SECONDS
    return None if counted.wait_ms is None else max(0.01, counted.wait_ms / 1000)


def _rates_database() -> Any:
    """Return the site's database, with the tables of the rates, and this process's rates told."""
    global _statements
    from marinemap.transport.consuming.rates import RateStatements
    from marinemap.transport.database import open_database, verify
    from marinemap.transport.options import read_options

    address = queue_in(settings.DATABASE_URL).partition("+")[2]
    database = open_database(address, read_options({}))
    if _statements is None:
        verify(database)
        statements = RateStatements(database)
        with database.transaction() as session:
            statements.state(session)
        _statements = statements
    return database
