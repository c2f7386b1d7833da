"""The Celery app: where tasks, broker and database are wired together."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any

import dj_database_url
from celery import Celery, current_task, signals, uuid
from celery.result import AsyncResult
from celery.signals import celeryd_init
from django.conf import settings
from django.db import transaction
from kombu.utils.json import register_type
from shapely.geometry import mapping, shape
from shapely.geometry.base import BaseGeometry

from marinemap import other_brokers, transport
from marinemap.errors import ServiceError, UnavailableError
from marinemap.logs.setting_up import take_over
from marinemap.tasks.site_task import SiteTask
from marinemap.transport.errors import AwayError, QueueFullError, TransportError

logger = logging.getLogger(__name__)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marinemap.settings")


class TransactionalTask(SiteTask):
    """A task that is published only if the caller's database transaction commits.

    The message would otherwise reach a worker before the row that it speaks of, or speak of a
    row that was rolled back. The queue in the site's own database takes it within the
    transaction: both or neither. For any other broker it is published right after the commit.
    """

    abstract = True

    @property
    def can_be_asked(self) -> bool:
        """Whether its queue can be asked for messages and places: that in a database."""
        return self.app.conf.task_always_eager or not other_brokers.is_other()

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        """Wait for the rate that holds over all workers, where the broker does not keep it."""
        super().before_start(task_id, args, kwargs)
        if self.rate_limit and not self.request.is_eager and other_brokers.is_other():
            other_brokers.wait_for_rate(self)

    def apply_async(self, *args: Any, **options: Any) -> AsyncResult[Any]:
        is_open = _is_in_transaction()
        if not is_open or (not self.app.conf.task_always_eager and _is_broker_in_transaction()):
            publish = partial(super().apply_async, *args, **options)
            with telling_of_transport():
                return other_brokers.publish_in_time(publish, options)
        options["task_id"] = options.get("task_id") or uuid()
        publish = partial(super().apply_async, *args, **options)
        transaction.on_commit(lambda: other_brokers.publish_in_time(publish, options))
        return self.AsyncResult(options["task_id"])


@contextmanager
def telling_of_transport() -> Iterator[None]:
    """Raise the project's errors in place of the queue's, which knows no project."""
    try:
        yield
    except AwayError:
        # Celery's own: kombu has wrapped it where it tried again.
        raise
    except QueueFullError as error:
        raise UnavailableError(
            error.message, field=error.field, value=error.value, hint=error.hint
        ) from error
    except TransportError as error:
        raise ServiceError(
            error.message, field=error.field, value=error.value, hint=error.hint
        ) from error


def find_transaction(address: str) -> transport.CallerTransaction | None:
    """Return the transaction that is open on a database in this thread, None if there is none.

    Parameters
    ----------
    address : str
        Of the broker's database, such as ``sqlite:////path``.
    """
    connection = transaction.get_connection()
    if not _is_in_transaction():
        return None
    try:
        ours, theirs = connection.settings_dict, dj_database_url.parse(address)
    except ValueError:
        # Several hosts, which Django's settings cannot name: it is another database.
        return None
    if any(str(ours[part]) != str(theirs[part]) for part in ("NAME", "HOST", "PORT")):
        return None
    # Such as another search_path: tables of the same names stand in another schema.
    if ours["OPTIONS"].get("options") != theirs.get("OPTIONS", {}).get("options"):
        return None
    on_commit = connection.on_commit if connection.in_atomic_block else None
    return transport.CallerTransaction(connection.connection, on_commit)


@celeryd_init.connect
def join_workers(**_: Any) -> None:
    """Let workers find one another over the queue in the database, and tell what it keeps.

    Celery has lists of the transports that can; imported here, for only workers need them.
    """
    if other_brokers.is_other():
        for sentence in other_brokers.differences():
            logger.warning(sentence)
        return
    import_module("marinemap.inspection")
    from celery.worker.consumer.gossip import Gossip
    from celery.worker.consumer.mingle import Mingle

    for step in (Gossip, Mingle):
        step.compatible_transports = {*step.compatible_transports, transport.DRIVER_TYPE}


@signals.after_setup_logger.connect
@signals.after_setup_task_logger.connect
def write_as_the_project(logger: logging.Logger, **_: Any) -> None:
    """Let Celery's handlers write as the project's do."""
    take_over(logger, settings.MARINEMAP_LOG_FORMAT)
    for handler in logger.handlers:
        handler.addFilter(_note_task)


def _note_task(record: logging.LogRecord) -> bool:
    """Tell a record which task it is of, as Celery's own format of text does."""
    task = current_task
    if task and task.request:
        vars(record).update(task_id=task.request.id, task_name=task.name)
    return True


def _is_in_transaction() -> bool:
    connection = transaction.get_connection()
    return connection.in_atomic_block or not connection.get_autocommit()


def _is_broker_in_transaction() -> bool:
    scheme, _, address = str(app.conf.broker_url).partition("+")
    return scheme == transport.SCHEME and find_transaction(address) is not None


transport.register()
transport.use_caller_transaction(find_transaction)

app = Celery("marinemap", task_cls=TransactionalTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
transport.bind(app, signals)

# Geometries travel in messages and results as GeoJSON, marked so that they arrive as geometries.
register_type(BaseGeometry, "geometry", mapping, shape)
