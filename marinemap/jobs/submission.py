"""A request becomes a job: checked, kept and queued, all or nothing."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction

from marinemap.catalogue.viewers import EVERYONE, Viewer
from marinemap.jobs.allowance import check_allowance
from marinemap.jobs.correspondence import Correspondent, wish
from marinemap.jobs.lifecycle import of_batch
from marinemap.jobs.limits import check_room_to_wait
from marinemap.jobs.models import Callback, Job, JobDocuments
from marinemap.jobs.notify import Subscriber, announce
from marinemap.jobs.one_by_one import wait_for_turn
from marinemap.jobs.owners import Sender, viewer_of_owner
from marinemap.jobs.queue import publish
from marinemap.jobs.repeats import KeyedRequest
from marinemap.jobs.reuse import finish_at_once, key_of, take_result
from marinemap.jobs.states import JobStatus
from marinemap.jobs.stored import told_truly
from marinemap.logs import request_id
from marinemap.processes.given import unwrap_inputs
from marinemap.processes.process import Process
from marinemap.processes.registry import get_process


@dataclass(frozen=True)
class Prepared:
    """A request that was checked, of which nothing is kept yet.

    ``reuse_key`` tells which results would be its own; empty where it is to be run.
    """

    process: Process
    inputs: dict[str, Any]
    wanted: dict[str, Any]
    subscriber: Subscriber | None = None
    reuse_key: str = ""

    def job_of(self, sender: Sender) -> Job:
        """Return the job that is to be stored."""
        return Job(
            process_id=self.process.id,
            **vars(sender),
            request_id=request_id.current(),
            layers=self.process.layers_of(self.inputs),
            reuse_key=self.reuse_key,
            message="Waiting for its turn.",
        )


def prepare(
    process_id: str,
    inputs: Mapping[str, Any],
    wanted: Mapping[str, Any] | None = None,
    subscriber: Subscriber | None = None,
    viewer: Viewer = EVERYONE,
    is_fresh: bool = False,
) -> Prepared:
    """Check a request; see :func:`submit`."""
    process = get_process(process_id)
    kept = process.check_for(viewer, unwrap_inputs(process, inputs))
    key = "" if is_fresh else key_of(process, kept)
    return Prepared(process, kept, dict(wanted or {}), subscriber, key)


def submit(
    process_id: str,
    inputs: Mapping[str, Any],
    sender: Sender,
    wanted: Mapping[str, Any] | None = None,
    subscriber: Subscriber | None = None,
    keyed: KeyedRequest | None = None,
    viewer: Viewer = EVERYONE,
    is_fresh: bool = False,
    correspondent: Correspondent | None = None,
) -> Job:
    """Check a request, keep it as a job, and queue it: all or nothing.

    Parameters
    ----------
    process_id : str
    inputs : mapping
        As in the body of an execute request.
    sender : Sender
        Whose job it is.
    wanted : mapping, optional
        How the results are to be answered; kept with the job, and not looked at here.
    subscriber : Subscriber, optional
        Who wants to be told how the job goes.
    keyed : KeyedRequest, optional
        The key of the request; where one with the same came at the same time, its job is returned.
    viewer : Viewer, optional
        As whom the sender sees the catalogue.
    is_fresh : bool, optional
        Whether it is to be run although the same was made before.
    correspondent : Correspondent, optional
        Who wants a letter when it has ended.

    Raises
    ------
    KeyReusedError
        If the key came at the same time with another request; nothing is kept.
    NoSuchProcessError, RequestError
        If the request would be refused; nothing is kept.
    TooManyWaitingError, QueueFullError, DayIsSpentError
        If as many jobs as the site allows wait already, or so many jobs or letters were asked for
        today; nothing is kept.
    UnavailableError
        If database or queue are away, so that nothing could be kept.
    """
    prepared = prepare(process_id, inputs, wanted, subscriber, viewer, is_fresh)
    job = prepared.job_of(sender)
    try:
        with told_truly(job), transaction.atomic():
            _store(sender, job, prepared)
            if correspondent:
                wish(sender, job, correspondent)
            if keyed:
                keyed.keep(job)
    except IntegrityError:
        first = keyed.find_job() if keyed else None
        if first is None:
            raise
        return first
    finish_at_once([job])
    return job


def submit_again(job: Job) -> Job:
    """Ask anew for what a job asked for, in its owner's name and as they may see layers now.

    Nobody is told but whoever asks: who wanted to hear of the first has heard of it.

    Raises
    ------
    JobDocuments.DoesNotExist
        If what was asked is no longer kept.
    RequestError, UnavailableError
        As :func:`submit` does; nothing is kept.
    """
    documents = JobDocuments.objects.get(pk=job.pk)
    sender = Sender(job.owner, job.is_owner_known, job.address)
    viewer = viewer_of_owner(job.owner)
    return submit(
        job.process_id, documents.inputs, sender, documents.wanted, viewer=viewer, is_fresh=True
    )


def submit_batch(
    sender: Sender,
    prepared: Sequence[Prepared],
    keyed: KeyedRequest | None = None,
    correspondent: Correspondent | None = None,
    subscriber: Subscriber | None = None,
) -> list[Job]:
    """Keep requests that were checked as the jobs of one batch, and queue them: all or nothing.

    Where another batch with the same key came at the same time, its jobs are returned. Of all of
    it one letter is written, to ``correspondent``, and ``subscriber`` is told once.

    Raises
    ------
    KeyReusedError
        If the key came at the same time with another request; nothing is kept.
    TooManyWaitingError, QueueFullError, DayIsSpentError
        If so many may not wait, or not be asked for in a day; nothing is kept.
    UnavailableError
        If database or queue are away, so that nothing could be kept.
    """
    batch = uuid.uuid4()
    jobs = [each.job_of(sender) for each in prepared]
    try:
        with told_truly(jobs[0]), transaction.atomic():
            wait_for_turn(sender)
            check_allowance(sender, len(jobs))
            check_room_to_wait(sender, len(jobs))
            for place, (job, each) in enumerate(zip(jobs, prepared, strict=True)):
                job.batch, job.place_in_batch = batch, place
                _store(sender, job, each, has_room=True)
            if correspondent:
                wish(sender, jobs[0], correspondent)
            if subscriber:
                Callback.objects.bulk_create(subscriber.callbacks(jobs[0], is_of_batch=True))
            if keyed:
                keyed.keep(jobs[0])
    except IntegrityError:
        first = keyed.find_job() if keyed else None
        if first is None or first.batch is None:
            raise
        return list(of_batch(first.batch))
    finish_at_once(jobs)
    return jobs


def _store(sender: Sender, job: Job, prepared: Prepared, has_room: bool = False) -> None:
    """Keep a job with all that belongs to it, and queue it; within a transaction.

    One whose result is there is done already: it waits for nothing.
    """
    is_done = take_result(job)
    if not is_done and not has_room:
        wait_for_turn(sender)
        check_allowance(sender)
        check_room_to_wait(sender)
    job.save(force_insert=True)
    JobDocuments.objects.create(job=job, inputs=prepared.inputs, wanted=prepared.wanted)
    if prepared.subscriber and prepared.subscriber.addresses:
        Callback.objects.bulk_create(prepared.subscriber.callbacks(job))
    if is_done:
        announce(job, JobStatus.SUCCESSFUL)
    else:
        publish(job)
