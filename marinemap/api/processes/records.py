"""What was asked for with a job, and what became of each layer."""

from __future__ import annotations

import json
from typing import Any
from zipfile import ZipFile

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from marinemap.api.declarations import Document
from marinemap.api.declarations.documents import PRIVATE
from marinemap.api.identity import get_job
from marinemap.api.problems import ResultGoneError
from marinemap.api.processes.jobs import check_layers, finished_job
from marinemap.jobs.artifacts import open_artifact
from marinemap.jobs.models import Job, JobDocuments
from marinemap.sentences import say

_REPORT = "report.json"
# It has the area in full, once and once more for each layer that is missing.
_MOST_REPORT_BYTES = 32_000_000


def asked(request: HttpRequest, job_id: str) -> Document:
    """Answer what a job was asked for, so that the same can be asked again."""
    job = get_job(request, job_id)
    inputs = JobDocuments.objects.values_list("inputs", flat=True).get(pk=job.pk)
    body = {"jobID": str(job.pk), "processID": job.process_id, "inputs": inputs}
    return Document(_("What was asked for"), body, cache_control=PRIVATE)


def report(request: HttpRequest, job_id: str) -> Document:
    """Answer what became of each layer, as the report in the archive has it."""
    job = finished_job(request, job_id)
    check_layers(request, job)
    found = _read_report(job)
    body = {
        "jobID": str(job.pk),
        "notes": found["area"]["notes"],
        "missing": [_without_request(each) for each in found["missing"]],
        "layers": found["layers"],
    }
    return Document(_("Report"), body, cache_control=PRIVATE)


def _without_request(failure: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in failure.items() if name != "request"}


def _read_report(job: Job) -> dict[str, Any]:
    archive = open_artifact(job) if job.media_type == "application/zip" else None
    if archive is None:
        raise _no_report(job, say("there is none: the job made no files, or they are gone"))
    with archive, ZipFile(archive) as files:
        if _REPORT not in files.namelist():
            raise _no_report(job, say("there is none in the files of this job"))
        if files.getinfo(_REPORT).file_size > _MOST_REPORT_BYTES:
            raise _no_report(job, say("it is too large to be shown; the archive has it"))
        found: dict[str, Any] = json.loads(files.read(_REPORT))
    return found


def _no_report(job: Job, why: str) -> ResultGoneError:
    return ResultGoneError(
        say("no report can be shown: {why}", why=why), field="jobID", value=str(job.pk)
    )
