"""Tell the administrators that something failed: by letter, once an hour for the same fault."""

from __future__ import annotations

import hashlib
import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from marinemap.errors import storable
from marinemap.logs import request_id
from marinemap.mail.letters import write_to_admins
from marinemap.tasks.models import Fault
from marinemap.tasks.outages import drop_connection

logger = logging.getLogger(__name__)

_TOLD_EVERY = timedelta(hours=1)
_FORGOTTEN_AFTER = timedelta(days=30)
_MOST_OF_WHAT_WAS_ASKED = 5_000
_MOST_OF_A_TRACEBACK = 20_000
_MOST_OF_A_SUBJECT = 180


@dataclass(frozen=True)
class Failure:
    """One failure, as administrators are told of it.

    Parameters
    ----------
    what : str
        What failed: a task by its name, or a job by its process.
    id : str
        Of the task or the job.
    asked : str
        What was asked of it; cut where it is long.
    error : BaseException
        With its traceback, where it has one.
    reference : str
        What the log, and whoever asked, have for this failure as well.
    """

    what: str
    id: str
    asked: str
    error: BaseException
    reference: str

    @property
    def subject(self) -> str:
        """One line."""
        return storable(f"{self.what} failed: {self.error}")[:_MOST_OF_A_SUBJECT]

    @property
    def digest(self) -> str:
        """The same for all failures of one kind: of a task, in a place, by an error's class.

        The error's words are no part of it: they may name a file, a time, a number.
        """
        frames = traceback.extract_tb(self.error.__traceback__)
        place = f"{frames[-1].filename}:{frames[-1].name}" if frames else str(self.error)
        kind = f"{type(self.error).__module__}.{type(self.error).__qualname__}"
        return hashlib.sha256(storable(f"{self.what}\n{kind}\n{place}").encode()).hexdigest()

    def describe(self) -> str:
        """Return all of it as a letter's text."""
        shown = "".join(traceback.format_exception(self.error))
        told = "\n".join(
            [
                f"What failed:  {self.what}",
                f"Its id:       {self.id}",
                f"Reference:    {self.reference}",
                f"Request:      {request_id.current() or '-'}",
                f"When:         {timezone.now():%Y-%m-%d %H:%M:%S %Z}",
                f"Error:        {type(self.error).__name__}: {self.error}",
                "",
                "What was asked:",
                _cut(self.asked, _MOST_OF_WHAT_WAS_ASKED),
                "",
                "Where:",
                # The end tells where it failed.
                shown[-_MOST_OF_A_TRACEBACK:],
            ]
        )
        # An error names what it met: a file whose name is no UTF-8, a NUL.
        return storable(told)


def tell_admins(describe: Callable[[], Failure]) -> None:
    """Let administrators know of a failure; whatever goes wrong with that does no harm.

    For the same fault one letter is written within an hour. How many more there were is said in
    the next, or by :func:`tell_rest` when the hour is over.

    Parameters
    ----------
    describe : callable
        Returns the failure; called only where there is somebody to tell.
    """
    if not settings.ADMINS:
        return
    try:
        with transaction.atomic():
            _note(describe())
    except Exception as error:
        logger.warning("Administrators could not be told of a failure: %s", error)
        if not connection.in_atomic_block:
            drop_connection()


def tell_rest() -> int:
    """Tell how often faults came again within the hour that is over; return of how many."""
    now = timezone.now()
    count = 0
    for fault in Fault.objects.filter(untold__gt=0).exclude(_told_lately(now)):
        with transaction.atomic():
            if Fault.objects.filter(pk=fault.pk, told_at=fault.told_at).update(
                told_at=now, untold=0, latest=""
            ):
                write_to_admins(fault.subject, f"{_more(fault.untold)}\n\n{fault.latest}")
                count += 1
    Fault.objects.filter(untold=0, failed_at__lt=now - _FORGOTTEN_AFTER).delete()
    return count


def _note(failure: Failure) -> None:
    now, text = timezone.now(), failure.describe()
    fault, is_new = Fault.objects.get_or_create(
        pk=failure.digest,
        defaults={"subject": failure.subject, "told_at": now, "failed_at": now},
    )
    if not is_new:
        fault = Fault.objects.select_for_update().get(pk=failure.digest)
        if _is_lately(fault.told_at, now):
            fault.untold += 1
            fault.failed_at, fault.latest, fault.subject = now, text, failure.subject
            fault.save()
            return
    more = f"{_more(fault.untold)}\n\n" if fault.untold else ""
    fault.told_at = fault.failed_at = now
    fault.untold, fault.latest, fault.subject = 0, "", failure.subject
    fault.save()
    write_to_admins(failure.subject, more + text)


def _more(count: int) -> str:
    times = "once more" if count == 1 else f"{count} times more"
    return f"The same failed {times} since the last letter about it."


def _told_lately(now: datetime) -> Q:
    return Q(told_at__gt=now - _TOLD_EVERY, told_at__lte=now)


def _is_lately(told_at: datetime, now: datetime) -> bool:
    # One in the future was told before the clock was set back.
    return now - _TOLD_EVERY < told_at <= now


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]} [cut here]"
