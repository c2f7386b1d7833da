"""The routes of OGC API - Processes, declared."""

from __future__ import annotations

from marinemap.api.access import Access
from marinemap.api.declarations import Answer, Operation, Parameter, Route
from marinemap.api.declarations.serving import FORM
from marinemap.api.processes import batches, execution, jobs, listing, shares
from marinemap.api.processes.requests import BODY
from marinemap.jobs.states import JobStatus
from marinemap.processes.values import Schema

PROCESS_ID = Parameter("processId", {"type": "string"}, "The id of a process.", "path")
JOB_ID = Parameter("jobId", {"type": "string"}, "The id of a job.", "path")
_OUTPUT_ID = Parameter("outputId", {"type": "string"}, "The id of an output.", "path")
_LIMIT = Parameter(
    "limit",
    {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
    "At most so many a page.",
    clamps=True,
)
_AFTER = Parameter(
    "after",
    {"type": "string", "maxLength": 100},
    "Where the page before ended; the link 'next' has it.",
)
_PREFER = Parameter(
    "Prefer",
    {"type": "string", "default": "", "maxLength": 500},
    "respond-async for a job, respond-sync for the outputs at once (RFC 7240).",
    "header",
)
_KEY = Parameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    "A text of your own, such as a UUID. Sent again within a day with the same body it is "
    "answered with the same job or batch, with another body by 409. What is run at once makes no "
    "job, and is run anew.",
    "header",
)
_CACHE = Parameter(
    "Cache-Control",
    {"type": "string", "default": "", "maxLength": 200},
    "no-cache for a run of its own, where the same was made of the same data before.",
    "header",
)
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
BATCH_ID = Parameter("batchId", {"type": "string"}, "The id of a batch.", "path")
_TEXT = {"type": "string"}
_LINKS = {"type": "array", "items": {"type": "object", "required": ["href"]}}
_SUMMARY = {
    "type": "object",
    "required": ["id", "version", "links"],
    "properties": {"id": _TEXT, "version": _TEXT, "title": _TEXT, "links": _LINKS},
}
_STATUS = {
    "type": "object",
    "required": ["jobID", "status", "type", "processID"],
    "properties": {
        "jobID": _TEXT,
        "processID": _TEXT,
        "type": {"type": "string", "enum": ["process"]},
        "status": {"type": "string", "enum": list(JobStatus.values)},
        "message": _TEXT,
        "progress": {"type": "integer", "minimum": 0, "maximum": 100},
        "created": {"type": "string", "format": "date-time"},
        "started": {"type": "string", "format": "date-time"},
        "finished": {"type": "string", "format": "date-time"},
        "updated": {"type": "string", "format": "date-time"},
        "links": _LINKS,
    },
}
_COUNT = {"type": "integer", "minimum": 0}
_BATCH = {
    "type": "object",
    "required": ["batchID", "total", "completed", "succeeded", "jobs", "links"],
    "properties": {
        "batchID": _TEXT,
        **dict.fromkeys(("total", "completed", "succeeded", "failed", "dismissed"), _COUNT),
        "jobs": {"type": "array", "items": _STATUS},
        "links": _LINKS,
    },
}
_DAYS = Parameter(
    "days",
    {"type": "integer", "minimum": 1, "maximum": shares.MOST_DAYS},
    "For how many days it leads there; by default for as long as the files are kept.",
)
_LINK = {
    "type": "object",
    "required": ["jobID", "href", "expires"],
    "properties": {"jobID": _TEXT, "href": _TEXT, "expires": _TEXT},
}
_REVOKED = {
    "type": "object",
    "required": ["jobID", "revoked"],
    "properties": {"jobID": _TEXT, "revoked": _COUNT},
}
_RESULTS = {
    200: Answer("The outputs, or the file", {}, ("application/json", "application/zip")),
    204: Answer("Links to the outputs, in the header Link", media_types=()),
    404: Answer("Unknown, not ready, or gone", media_types=()),
}


def _list_of(name: str, item: Schema) -> dict[str, object]:
    items = {"type": "array", "items": item}
    return {
        "type": "object",
        "required": [name, "links"],
        "properties": {name: items, "links": _LINKS},
    }


ROUTES = (
    Route(
        "processes",
        "/processes",
        (
            Operation(
                "GET",
                "getProcesses",
                "What can be run",
                listing.processes,
                "Processes",
                (_LIMIT, _AFTER, FORM),
                answers={200: Answer("The processes", _list_of("processes", _SUMMARY))},
                access=Access.OPEN,
            ),
        ),
    ),
    Route(
        "process",
        "/processes/{processId}",
        (
            Operation(
                "GET",
                "getProcess",
                "What a process takes and gives",
                listing.process,
                "Processes",
                (FORM,),
                answers={200: Answer("The process", _SUMMARY)},
                access=Access.OPEN,
            ),
        ),
        (PROCESS_ID,),
    ),
    Route(
        "execution",
        "/processes/{processId}/execution",
        (
            Operation(
                "POST",
                "execute",
                "Run a process",
                execution.execute,
                "Processes",
                (_PREFER, _KEY, _CACHE),
                BODY,
                {
                    200: Answer("The outputs, run at once", {}, ("application/json",)),
                    201: Answer(
                        "A job", _STATUS, ("application/json",), {"Location": "Where it is"}
                    ),
                    409: Answer("The key came with another body", media_types=()),
                },
                access=Access.WRITE_JOBS,
            ),
        ),
        (PROCESS_ID,),
    ),
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
                (_LIMIT, *_JOB_FILTERS, _AFTER, FORM),
                answers={200: Answer("The jobs", _list_of("jobs", _STATUS))},
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
                answers={200: Answer("The job", _STATUS)},
                access=Access.READ_JOBS,
            ),
            Operation(
                "DELETE",
                "dismiss",
                "Cancel a job, or remove its files",
                jobs.dismiss,
                "Jobs",
                answers={200: Answer("The job", _STATUS, ("application/json",))},
                access=Access.WRITE_JOBS,
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
                    200: Answer("The job", _STATUS, ("application/json",)),
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
                    201: Answer(
                        "The link: told this once", _LINK, ("application/json",), {"Location": "It"}
                    )
                },
                access=Access.WRITE_JOBS,
            ),
            Operation(
                "DELETE",
                "revokeShares",
                "Revoke all links to the result of a job",
                shares.revoke,
                "Jobs",
                answers={200: Answer("How many there were", _REVOKED, ("application/json",))},
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
    Route(
        "batches",
        "/batches",
        (
            Operation(
                "POST",
                "makeBatch",
                "Ask for many jobs at once, all or none",
                batches.make,
                "Jobs",
                (_KEY, _CACHE),
                body=batches.BODY,
                answers={
                    201: Answer(
                        "The batch", _BATCH, ("application/json",), {"Location": "Where it is"}
                    ),
                    409: Answer("The key came with another body", media_types=()),
                },
                access=Access.WRITE_JOBS,
            ),
        ),
    ),
    Route(
        "batch",
        "/batches/{batchId}",
        (
            Operation(
                "GET",
                "getBatch",
                "How the jobs of a batch stand",
                batches.status,
                "Jobs",
                (FORM,),
                answers={200: Answer("The batch", _BATCH)},
                access=Access.READ_JOBS,
            ),
            Operation(
                "DELETE",
                "dismissBatch",
                "Cancel the jobs of a batch, or remove their files",
                batches.dismiss,
                "Jobs",
                answers={200: Answer("The batch", _BATCH, ("application/json",))},
                access=Access.WRITE_JOBS,
            ),
        ),
        (BATCH_ID,),
    ),
)
