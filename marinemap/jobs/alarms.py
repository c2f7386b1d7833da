"""Administrators are told of jobs that failed, unless whoever asked has to mend it."""

from __future__ import annotations

import json
import logging

from django.db import transaction

from marinemap.catalogue.models import Layer
from marinemap.errors import RequestError, storable
from marinemap.jobs.models import Job, JobDocuments
from marinemap.jobs.watch import JOB_FAILED, tell_operator
from marinemap.tasks.faults import Failure, tell_admins

logger = logging.getLogger(__name__)

_MOST_OF_AN_ERROR = 1_000


def tell_of(job: Job, error: Exception, reference: str = "") -> None:
    """Tell that a job failed, with what was asked; whatever goes wrong with that does no harm.

    Parameters
    ----------
    job : Job
    error : Exception
        Why. Of a :class:`RequestError` nobody is told.
    reference : str, optional
        The number that its owner was given; the job's id without one.
    """
    if isinstance(error, RequestError):
        return
    what, number = f"job of {job.process_id}", reference or job.pk.hex
    tell_admins(lambda: Failure(what, str(job.pk), _asked(job), error, number))
    _tell_operator(job, error, number)


def _tell_operator(job: Job, error: Exception, reference: str) -> None:
    told = {
        "jobID": str(job.pk),
        "processID": job.process_id,
        "error": type(error).__name__,
        "description": storable(str(error))[:_MOST_OF_AN_ERROR],
        "reference": reference,
    }
    try:
        with transaction.atomic():
            tell_operator(JOB_FAILED, told)
    except Exception as wrong:
        logger.warning("The operator could not be told of job %s: %s", job.pk, wrong)


def describe_layer(layer: Layer) -> str:
    """Return a letter about a layer whose data cannot be read."""
    return (
        f"The data of layer {layer.pk} ({layer.title}) cannot be read any more:\n\n"
        f"{layer.trouble}\n\nSource: {layer.source}\n\n"
        "Requests for it are refused. Once its data can be read it is served again by itself; "
        "`manage.py checklayers` tells how it stands.\n"
    )


def _asked(job: Job) -> str:
    inputs = JobDocuments.objects.filter(pk=job.pk).values_list("inputs", flat=True).first()
    return json.dumps(inputs, ensure_ascii=False, indent=1)
