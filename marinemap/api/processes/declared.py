"""What several routes of processes and jobs take and answer, declared once."""

from __future__ import annotations

from marinemap.api.declarations import Parameter
from marinemap.api.declarations.operation import HTML, JSON
from marinemap.api.links import LINKS
from marinemap.jobs.states import JobStatus
from marinemap.processes.registry import all_processes
from marinemap.processes.values import Schema

JOB_ID = Parameter("jobId", {"type": "string"}, "The id of a job.", "path")
LIMIT = Parameter(
    "limit",
    {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
    "At most so many a page.",
    clamps=True,
)
AFTER = Parameter(
    "after",
    {"type": "string", "maxLength": 100},
    "Where the page before ended; the link 'next' has it.",
)
KEY = Parameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    "A text of your own, such as a UUID. Sent again within a day with the same body it is "
    "answered with the same job or batch, with another body by 409. What is run at once makes no "
    "job, and is run anew.",
    "header",
)
CACHE = Parameter(
    "Cache-Control",
    {"type": "string", "default": "", "maxLength": 200},
    "no-cache for a run of its own, where the same was made of the same data before.",
    "header",
)
TEXT = {"type": "string"}
COUNT = {"type": "integer", "minimum": 0}
STATUS = {
    "type": "object",
    "required": ["jobID", "status", "type", "processID"],
    "properties": {
        "jobID": TEXT,
        "processID": TEXT,
        "type": {"type": "string", "enum": ["process"]},
        "status": {"type": "string", "enum": list(JobStatus.values)},
        "message": TEXT,
        "progress": {"type": "integer", "minimum": 0, "maximum": 100},
        "created": {"type": "string", "format": "date-time"},
        "started": {"type": "string", "format": "date-time"},
        "finished": {"type": "string", "format": "date-time"},
        "updated": {"type": "string", "format": "date-time"},
        "links": LINKS,
    },
}


def output_types() -> tuple[str, ...]:
    """Return the media types in which outputs are answered: one as it is, several together."""
    each = [
        process.media_type_of(name)
        for process in all_processes().values()
        for name in process.outputs
    ]
    # Texts among the outputs that are JSON are sent as texts. They stand first: makers of clients
    # that take one type for all (openapi-python-client) then read what comes, zips as well.
    return tuple(dict.fromkeys(["text/plain", JSON, HTML, *sorted(each), "multipart/related"]))


def list_of(name: str, item: Schema) -> dict[str, object]:
    items = {"type": "array", "items": item}
    return {
        "type": "object",
        "required": [name, "links"],
        "properties": {name: items, "links": LINKS},
    }
