"""A request becomes a job: checked, kept and queued, all or nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, connection, transaction

from marinemap.catalogue.viewers import EVERYONE, Viewer
from marinemap.errors import RequestError, UnavailableError
from marinemap.jobs.limits import check_room_to_wait
from marinemap.jobs.models import Callback, Job, JobDocuments
from marinemap.jobs.notify import Subscriber
from marinemap.jobs.outages import DATABASE_AWAY, drop_connection, patiently
from marinemap.jobs.queue import publish
from marinemap.jobs.repeats import KeyedRequest
from marinemap.processes.process import unwrap_inputs
from marinemap.processes.registry import get_process

logger = logging.getLogger(__name__)

# How long whoever asked is kept waiting for the answer whether the job was stored after all.
_ANSWER_WITHIN_SECONDS = 5


def submit(
    process_id: str,
    inputs: Mapping[str, Any],
    owner: str,
    is_owner_known: bool,
    address: str = "",
    wanted: Mapping[str, Any] | None = None,
    subscriber: Subscriber | None = None,
    keyed: KeyedRequest | None = None,
    viewer: Viewer = EVERYONE,
) -> Job:
    """Check a request, keep it as a job, and queue it: all or nothing.

    Parameters
    ----------
    process_id : str
    inputs : mapping
        As in the body of an execute request.
    owner : str
        Whose job it is.
    is_owner_known : bool
        Whether the owner has shown a cookie or signed in; see :class:`Job`.
    address : str, optional
        A digest of the network address that the request came from.
    wanted : mapping, optional
        How the results are to be answered; kept with the job, and not looked at here.
    subscriber : Subscriber, optional
        Who wants to be told how the job goes.
    keyed : KeyedRequest, optional
        The key of the request; where one with the same came at the same time, its job is returned.
    viewer : Viewer, optional
        As whom the sender sees the catalogue.

    Raises
    ------
    KeyReusedError
        If the key came at the same time with another request; nothing is kept.
    NoSuchProcessError, RequestError
        If the request would be refused; nothing is kept.
    TooManyWaitingError
        If as many jobs as the site allows wait already; nothing is kept.
    UnavailableError
        If database or queue are away, so that nothing could be kept.
    """
    process = get_process(process_id)
    kept = process.check_for(viewer, unwrap_inputs(process, inputs))
    job = Job(
        process_id=process.id,
        owner=owner,
        is_owner_known=is_owner_known,
        address=address,
        layers=process.layers_of(kept),
        message="Waiting for its turn.",
    )
    try:
        with transaction.atomic():
            check_room_to_wait(job)
            job.save(force_insert=True)
            JobDocuments.objects.create(job=job, inputs=kept, wanted=dict(wanted or {}))
            if subscriber and subscriber.addresses:
                Callback.objects.bulk_create(subscriber.callbacks(job))
            if keyed:
                keyed.keep(job)
            publish(job)
    except RequestError:
        raise
    except IntegrityError:
        first = keyed.find_job() if keyed else None
        if first is None:
            raise
        return first
    except Exception as error:
        # Whatever failed after the commit, or on the way back from it: who asked is told the
        # truth. A message that another broker did not take is sent again by requeue_stalled.
        if not _was_kept(job):
            if isinstance(error, (*DATABASE_AWAY, UnavailableError)):
                raise UnavailableError(
                    "the request could not be stored; send it again in a moment"
                ) from error
            raise
        logger.warning("Job %s was stored, although: %s", job.pk, error, exc_info=True)
    return job


def _was_kept(job: Job) -> bool:
    """Tell whether a job is stored whose transaction ended in an error: it may yet be."""
    if connection.in_atomic_block:
        return False
    drop_connection()
    try:
        return patiently(
            lambda: Job.objects.filter(pk=job.pk).exists(), seconds=_ANSWER_WITHIN_SECONDS
        )
    except DATABASE_AWAY:
        return False
