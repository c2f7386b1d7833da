"""The class of every task: administrators are told when one fails, progress is kept by its id."""

from __future__ import annotations

import logging
import uuid
from collections import deque
from typing import TYPE_CHECKING, Any

from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import Celery, Task, _state
from celery.contrib.django.task import DjangoTask
from celery.result import AsyncResult
from celery.signals import task_failure, task_postrun, task_prerun, task_received
from django.db import connection

from marinemap.errors import ServiceError
from marinemap.logs import request_id
from marinemap.tasks.progress import PROGRESS, as_meta

logger = logging.getLogger(__name__)

# As the table of results has it.
_LONGEST_ID = 255
# Celery tells of one killed process up to three times: as the limit is passed, as its process is
# found gone, and as its result is.
_told_killed: deque[str] = deque(maxlen=1_000)

# Celery's own classes take type parameters in their stubs only.
if TYPE_CHECKING:
    _Task = DjangoTask[Any, Any]
else:
    _Task = DjangoTask


class SiteTask(_Task):
    """A task of the site, or of an app that is installed in it.

    It is the class of all tasks of the site's Celery app, of functions and of classes::

        from marinemap.celery import app

        class FetchTides(app.Task):
            name = "fetch tides"

            def run(self, harbour):
                self.tell_progress(1, 10, "Asking")

    A class that has a ``run`` of its own is registered with the module that holds it. One that
    is only to be extended says ``abstract = True``.
    """

    abstract = True

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        is_abstract = cls.__dict__.get("abstract", False)
        # Celery makes a class of each function, and registers that itself.
        if is_abstract or cls.run is Task.run or "_decorated" in cls.__dict__:
            return
        if "name" not in cls.__dict__:
            # As Celery names functions; that of a class it extends would put it in its place.
            cls.name = f"{cls.__module__}.{cls.__name__}"
        _register_everywhere(cls)

    def apply_async(
        self,
        args: Any = None,
        kwargs: Any = None,
        task_id: str | None = None,
        *positional: Any,
        **options: Any,
    ) -> AsyncResult[Any]:
        """Publish it with the id of the request that this thread works for.

        Raises
        ------
        ServiceError
            If the id that the caller gives is none that a result can be kept under.
        """
        _check_id(task_id)
        if number := request_id.current():
            headers = {request_id.MESSAGE_HEADER: number, **(options.get("headers") or {})}
            options["headers"] = headers
        return super().apply_async(args, kwargs, task_id, *positional, **options)

    def tell_progress(self, current: float, total: float, message: str = "") -> None:
        """Keep how far this task is, for whoever has its id; see ``jobs.progress``.

        Parameters
        ----------
        current, total : float
            As many of as many, in a unit of the task's own.
        message : str, optional
            For people; cut after 1,000 characters.
        """
        if not self.request.called_directly:
            request: Any = self.request  # The stubs know no attributes of one's own.
            request.has_told_progress = True
            self.update_state(state=PROGRESS, meta=as_meta(current, total, message))

    def on_failure(self, exc: Exception, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """Tell the administrators; not of what the task says to be its caller's fault."""
        if not isinstance(exc, tuple(self.throws)):
            _tell(self, exc, task_id, args, kwargs)
        super().on_failure(exc, task_id, args, kwargs, einfo)

    def after_return(
        self, status: str, retval: Any, task_id: str, args: Any, kwargs: Any, einfo: Any
    ) -> None:
        """Forget the progress of a task whose result nobody wants."""
        is_unwanted = self.ignore_result or self.request.ignore_result
        if is_unwanted and getattr(self.request, "has_told_progress", False):
            _forget(self, task_id)
        super().after_return(status, retval, task_id, args, kwargs, einfo)


@task_prerun.connect
def work_for_request(task: Any, **_: Any) -> None:
    """Write the log, and publish further tasks, under the id of the request that it came from."""
    if not task.request.called_directly and not task.request.is_eager:
        request_id.begin(str(task.request.get(request_id.MESSAGE_HEADER) or ""))


@task_postrun.connect
def work_for_nobody(task: Any, **_: Any) -> None:
    """Write under no id what the worker does between tasks."""
    if not task.request.is_eager:
        request_id.begin("")


@task_failure.connect
def tell_of_killed(
    sender: Any, task_id: str, exception: BaseException, args: Any, kwargs: Any, **_: Any
) -> None:
    """Tell of a task whose process was killed: it tells nothing itself. In the worker's own."""
    if not isinstance(exception, TimeLimitExceeded | WorkerLostError) or task_id in _told_killed:
        return
    _told_killed.append(task_id)
    try:
        _tell(sender, exception, task_id, args, kwargs)
    finally:
        # What it forks next must not have it.
        connection.close()


@task_received.connect
def forget_killed(request: Any, **_: Any) -> None:
    """Tell of a task again that comes again and is killed again."""
    if request.id in _told_killed:
        _told_killed.remove(request.id)


def _check_id(task_id: Any) -> None:
    if task_id is None:
        return
    if not isinstance(task_id, str) or not 0 < len(task_id) <= _LONGEST_ID or "\0" in task_id:
        raise ServiceError(
            f"a task's id is a text of 1 to {_LONGEST_ID} characters, such as str(uuid.uuid4())",
            field="task_id",
            value=task_id,
        )


def _tell(task: Any, error: BaseException, task_id: str, args: Any, kwargs: Any) -> None:
    # Imported here: Celery has the class before Django has its models.
    from marinemap.tasks.faults import Failure, tell_admins

    reference = uuid.uuid4().hex[:12]
    logger.error("Task %s, %s, failed; reference %s", task.name, task_id, reference)
    asked = f"args: {args!r}\nkwargs: {kwargs!r}"
    tell_admins(lambda: Failure(f"task {task.name}", task_id, asked, error, reference))


def _forget(task: Any, task_id: str) -> None:
    try:
        task.backend.forget(task_id)
    except Exception as error:
        # It goes with old results.
        logger.warning("The progress of task %s was not removed: %s", task_id, error)


def _register_everywhere(cls: type[SiteTask]) -> None:
    """Register a class with the apps that there are and those to come, as Celery does functions."""

    def register(app: Celery) -> None:
        app.register_task(cls())

    # What Celery's own decorator of shared tasks uses; the stubs know a part of it.
    state: Any = _state
    state.connect_on_app_finalize(register)
    for app in state._get_active_apps():
        if app.finalized:
            register(app)
