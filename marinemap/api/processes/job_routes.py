"""The routes of jobs, their results and the links to these, declared."""

from __future__ import annotations

from marinemap.api.access import Access
from marinemap.api.declarations import Answer, Operation, Parameter, Route
from marinemap.api.declarations.serving import FORM
from marinemap.api.processes import jobs, listing, records, shares
from marinemap.api.processes.declared import (
    AFTER,
    COUNT,
    JOB_ID,
    LIMIT,
    STATUS,
    TEXT,
    list_of,
    output_types,
)
from marinemap.jobs.states import JobStatus

_OUTPUT_ID = Parameter("outputId", {"type": "string"}, "The id of an output.", "path")
_SECONDS = {"type": "integer", "minimum": 0, "maximum": 1_000_000_000}
_TEXTS = {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 100}
_JOB_FILTERS = (
    Parameter("type", {"type": "array", "items": {"type": "string", "enum": ["process"]}}, "Kind."),
    Parameter("processID", _TEXTS, "Jobs of one of these processes."),
    Parameter(
        "status",
        {"type": "array", "items": {"type": "string", "enum": list(JobStatus.values)}},
        "Jobs that stand so.",
    ),
    Parameter(
        "datetime",
        {"type": "string", "maxLength": 100},
        "Jobs made at a moment or within an interval, such as 2026-11-01/..",
    ),
    Parameter("minDuration", _SECONDS, "Jobs that took, or have taken, so many seconds."),
    Parameter("maxDuration", _SECONDS, "Jobs that took, or have taken, no more seconds."),
)
_DAYS = Parameter(
    "days",
    {"type": "integer", "minimum": 1, "maximum": shares.MOST_DAYS},
    "For how many days it leads there; by default for as long as the files are kept.",
)
_LINK = {
    "type": "object",
    "required": ["jobID", "href", "expires"],
    "properties": {"jobID": TEXT, "href": TEXT, "expires": TEXT},
}
_REVOKED = {
    "type": "object",
    "required": ["jobID", "revoked"],
    "properties": {"jobID": TEXT, "revoked": COUNT},
}
_ASKED = {
    "type": "object",
    "required": ["jobID", "processID", "inputs"],
    "properties": {"jobID": TEXT, "processID": TEXT, "inputs": {"type": "object"}},
}
_REPORT = {
    "type": "object",
    "required": ["jobID", "notes", "missing", "layers"],
    "properties": {
        "jobID": TEXT,
        "notes": {"type": "array", "items": TEXT, "description": "What concerns the area."},
        "missing": {
            "type": "array",
            "items": {"type": "object", "required": ["name", "message"]},
            "description": "Layers that are not in the archive, and why.",
        },
        "layers": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "features_written", "renamed_fields", "notes"],
            },
        },
    },
}
_RESULTS = {
    200: Answer("The outputs, or the file", {}, output_types()),
    302: Answer("Where results lie in a storage: a link to the file", media_types=()),
    204: Answer("Links to the outputs, in the header Link", media_types=()),
    404: Answer("Unknown, not ready, or gone", media_types=()),
}

ROUTES = (
    Route(
        "jobs",
        "/jobs",
        (
            Operation(
                "GET",
                "getJobs",
                "Your jobs, the newest first",
                listing.jobs,
                "Jobs",
                (LIMIT, *_JOB_FILTERS, AFTER, FORM),
                answers={200: Answer("The jobs", list_of("jobs", STATUS))},
                access=Access.READ_JOBS,
            ),
        ),
    ),
    Route(
        "job",
        "/jobs/{jobId}",
        (
            Operation(
                "GET",
                "getStatus",
                "How a job stands",
                jobs.status,
                "Jobs",
                (FORM,),
                answers={200: Answer("The job", STATUS)},
                access=Access.READ_JOBS,
            ),
            Operation(
                "DELETE",
                "dismiss",
                "Cancel a job, or remove its files",
                jobs.dismiss,
                "Jobs",
                answers={200: Answer("The job", STATUS)},
                access=Access.WRITE_JOBS,
            ),
        ),
        (JOB_ID,),
    ),
    Route(
        "asked",
        "/jobs/{jobId}/request",
        (
            Operation(
                "GET",
                "getRequest",
                "What a job was asked for, to ask the same again",
                records.asked,
                "Jobs",
                (FORM,),
                answers={200: Answer("Process and inputs", _ASKED)},
                access=Access.READ_JOBS,
            ),
        ),
        (JOB_ID,),
    ),
    Route(
        "report",
        "/jobs/{jobId}/report",
        (
            Operation(
                "GET",
                "getReport",
                "What became of each layer",
                records.report,
                "Jobs",
                (FORM,),
                answers={
                    200: Answer("As report.json in the archive", _REPORT),
                    404: Answer("Unknown, not ready, or gone", media_types=()),
                },
                access=Access.READ_JOBS,
            ),
        ),
        (JOB_ID,),
    ),
    Route(
        "results",
        "/jobs/{jobId}/results",
        (
            Operation(
                "GET",
                "getResult",
                "What a job made",
                jobs.results,
                "Jobs",
                answers=_RESULTS,
                access=Access.READ_JOBS,
            ),
        ),
        (JOB_ID,),
    ),
    Route(
        "result",
        "/jobs/{jobId}/results/{outputId}",
        (
            Operation(
                "GET",
                "getOutput",
                "One output of a job",
                jobs.result,
                "Jobs",
                answers=_RESULTS,
                access=Access.READ_JOBS,
            ),
        ),
        (JOB_ID, _OUTPUT_ID),
    ),
    Route(
        "renew",
        "/jobs/{jobId}/renew",
        (
            Operation(
                "POST",
                "renew",
                "Keep the files of a job for longer",
                shares.renew,
                "Jobs",
                answers={
                    200: Answer("The job", STATUS),
                    409: Answer("They are kept for as long as may be", media_types=()),
                },
                access=Access.WRITE_JOBS,
            ),
        ),
        (JOB_ID,),
    ),
    Route(
        "share",
        "/jobs/{jobId}/share",
        (
            Operation(
                "POST",
                "share",
                "Make a link to the result of a job, for whoever has it",
                shares.share,
                "Jobs",
                (_DAYS,),
                answers={
                    201: Answer("The link: told this once", _LINK, headers={"Location": "It"})
                },
                access=Access.WRITE_JOBS,
            ),
            Operation(
                "DELETE",
                "revokeShares",
                "Revoke all links to the result of a job",
                shares.revoke,
                "Jobs",
                answers={200: Answer("How many there were", _REVOKED)},
                access=Access.WRITE_JOBS,
            ),
        ),
        (JOB_ID,),
    ),
    Route(
        "shared",
        "/shared/{key}",
        (
            Operation(
                "GET",
                "getShared",
                "The result that a link leads to",
                shares.open_shared,
                "Jobs",
                answers=_RESULTS | {410: Answer("Revoked, or over", media_types=())},
                access=Access.OPEN,
            ),
        ),
        (Parameter("key", {"type": "string"}, "The key that a link ends with.", "path"),),
    ),
)
