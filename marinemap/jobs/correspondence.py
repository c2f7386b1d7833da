"""Letters to people about their own requests: when they have ended, and before files go.

Who wants them is a row, stored with the job. What is due is found by looking at the jobs, once in
a while: whatever ended one, and in whatever order those of a batch end, there is one letter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from marinemap.catalogue.models import Layer
from marinemap.jobs.allowance import DayIsSpentError
from marinemap.jobs.conf import job_settings, most_letters_day
from marinemap.jobs.letter_texts import Story, Told, tell_end, tell_expiry
from marinemap.jobs.lifecycle import of_batch
from marinemap.jobs.models import Job, LetterWish
from marinemap.jobs.owners import Sender
from marinemap.jobs.states import FINISHED, JobStatus
from marinemap.mail import recipients
from marinemap.mail.letters import Stop, write
from marinemap.sentences import say

_DAY = timedelta(days=1)
# A round is a short task; the next goes on.
_AT_A_TIME = 100
_MEGABYTE = 1e6


@dataclass(frozen=True)
class Correspondent:
    """Who wants to be written to, in which language, and where this API is seen from outside.

    ``recipient`` was checked by :func:`marinemap.mail.recipients.check_recipient`.
    """

    recipient: str
    language: str
    api: str


def wish(sender: Sender, job: Job, correspondent: Correspondent) -> None:
    """Keep that somebody is to be written to; within the transaction that stores the job.

    Raises
    ------
    DayIsSpentError
        If so many letters were asked for within a day by the same person, from the same network
        address, or for the same mailbox, as the operator allows.
    """
    key = recipients.note(correspondent.recipient)
    _check_day(sender, key)
    LetterWish.objects.create(
        job=job,
        batch=job.batch,
        recipient=correspondent.recipient,
        recipient_key=key,
        language=correspondent.language,
        api=correspondent.api,
    )


def write_due() -> int:
    """Write the letters that are due; return how many. They are sent by ``mail.sending``."""
    return _write_of_ends() + _write_of_expiries()


def forget_over() -> None:
    """Forget the addresses of those to whom nothing more is to be written: no file is left."""
    files = Job.objects.exclude(artifact="")
    told = LetterWish.objects.filter(end_told_at__isnull=False, is_over=False)
    of_batch = Exists(files.filter(batch=OuterRef("batch")))
    over = told.exclude(Q(job__in=files) | Q(batch__isnull=False) & of_batch)
    over.update(is_over=True, recipient="")
    recipients.forget_old()


def _check_day(sender: Sender, key: str) -> None:
    most = most_letters_day()
    recent = LetterWish.objects.filter(created_at__gt=timezone.now() - _DAY)
    words = {"person": say("by you"), "address": say("from your network address")}
    asked = [(words[who], recent.filter(job__in=_jobs(own))) for who, own in sender.counted()]
    for whose, wishes in [*asked, (say("to this address"), recent.filter(recipient_key=key))]:
        if wishes.count() >= most:
            raise DayIsSpentError(
                say(
                    "letters about {most} requests {whose} were asked for within the last 24 "
                    "hours, as many as may",
                    most=most,
                    whose=whose,
                ),
                field="notify.email",
                hint=say("Leave 'notify' out, and look at the job instead."),
            )


def _jobs(own: Q) -> QuerySet[Job]:
    return Job.objects.filter(own).order_by()


def _write_of_ends() -> int:
    running = Job.objects.filter(batch=OuterRef("batch")).exclude(status__in=FINISHED)
    waiting = LetterWish.objects.filter(end_told_at=None, is_over=False)
    ended = waiting.filter(job__status__in=FINISHED).exclude(
        Q(batch__isnull=False) & Exists(running)
    )
    count = 0
    for each in ended.order_by("pk")[:_AT_A_TIME]:
        with transaction.atomic():
            # Two rounds at once write one letter.
            mine = LetterWish.objects.filter(pk=each.pk, end_told_at=None)
            if mine.update(end_told_at=timezone.now()):
                count += _tell(each, _jobs_of(each), is_end=True)
    return count


def _write_of_expiries() -> int:
    lead = _lead()
    soon = timezone.now() + lead
    count = 0
    for each in _expiring(soon)[:_AT_A_TIME]:
        # Those of a batch go one after the other: what goes soon after is told along.
        until = soon + lead
        jobs = [job for job in _jobs_of(each) if _goes_by(job, until)]
        with transaction.atomic():
            mine = LetterWish.objects.filter(pk=each.pk, expiry_told=each.expiry_told)
            if jobs and mine.update(expiry_told=until):
                count += _tell(each, jobs, is_end=False)
    return count


def _expiring(soon: datetime) -> QuerySet[LetterWish]:
    """Return the wishes for which files go soon that no letter told of; renewed ones go later."""
    told_until = Coalesce("expiry_told", "end_told_at")
    told = LetterWish.objects.filter(end_told_at__isnull=False, is_over=False)
    told = told.annotate(told_until=told_until)
    going = Job.objects.exclude(artifact="").filter(
        expires_at__lte=soon, expires_at__gt=OuterRef("told_until")
    )
    own = Q(batch=None) & Exists(going.filter(pk=OuterRef("job_id")))
    return told.filter(own | Exists(going.filter(batch=OuterRef("batch")))).order_by("pk")


def _goes_by(job: Job, until: datetime) -> bool:
    return bool(job.artifact) and job.expires_at is not None and job.expires_at <= until


def _lead() -> timedelta:
    """Return how long before files go a letter says so: a day, or a quarter of their time."""
    return min(_DAY, job_settings().keep_results / 4)


def _tell(each: LetterWish, jobs: list[Job], *, is_end: bool) -> int:
    """Write a letter unless there is nothing to tell or its reader wants none; return how many."""
    # Who cancelled all of it knows.
    is_worth_it = any(job.status != JobStatus.DISMISSED for job in jobs)
    is_wanted = is_worth_it and not recipients.is_stopped(each.recipient)
    if is_wanted:
        stop = Stop(each.recipient_key, f"{each.api}letters/{each.recipient_key}")
        text = tell_end if is_end else tell_expiry
        write([each.recipient], *text(_story(each, jobs, stop), each.language, each.api), stop)
    if is_end and not (is_wanted and any(job.artifact for job in jobs)):
        # No files, no letter before they go.
        LetterWish.objects.filter(pk=each.pk).update(is_over=True, recipient="")
    return int(is_wanted)


def _jobs_of(each: LetterWish) -> list[Job]:
    if each.batch is None:
        return [each.job]
    return list(of_batch(each.batch))


def _story(each: LetterWish, jobs: list[Job], stop: Stop) -> Story:
    is_batch = each.batch is not None
    place = f"batches/{each.batch}" if is_batch else f"jobs/{each.job_id}"
    told = list(_told(jobs))
    return Story(told, is_batch, f"{each.api}{place}", stop.uri, _first_expiry(jobs))


def _told(jobs: list[Job]) -> Iterator[Told]:
    names = {name for job in jobs for name in job.layers}
    titles = dict(Layer.objects.filter(pk__in=names).values_list("pk", "title"))
    for job in jobs:
        size = job.artifact_bytes if job.artifact else None
        yield Told(
            [titles[name] for name in job.layers if name in titles],
            job.status,
            None if size is None else size / _MEGABYTE,
        )


def _first_expiry(jobs: list[Job]) -> datetime | None:
    return min((job.expires_at for job in jobs if job.artifact and job.expires_at), default=None)
