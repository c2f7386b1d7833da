"""The routes of OGC API - Processes that run something, declared."""

from __future__ import annotations

from marinemap.api.access import Access
from marinemap.api.declarations import Answer, Operation, Parameter, Route
from marinemap.api.declarations.serving import FORM
from marinemap.api.links import LINKS
from marinemap.api.processes import execution, listing
from marinemap.api.processes.declared import (
    AFTER,
    CACHE,
    KEY,
    LIMIT,
    STATUS,
    TEXT,
    list_of,
    output_types,
)
from marinemap.api.processes.requests import BODY

_PROCESS_ID = Parameter("processId", {"type": "string"}, "The id of a process.", "path")
_PREFER = Parameter(
    "Prefer",
    {"type": "string", "default": "", "maxLength": 500},
    "respond-async for a job, respond-sync for the outputs at once (RFC 7240).",
    "header",
)
_SUMMARY = {
    "type": "object",
    "required": ["id", "version", "links"],
    "properties": {"id": TEXT, "version": TEXT, "title": TEXT, "links": LINKS},
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
                (LIMIT, AFTER, FORM),
                answers={200: Answer("The processes", list_of("processes", _SUMMARY))},
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
        (_PROCESS_ID,),
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
                (_PREFER, KEY, CACHE),
                BODY,
                {
                    200: Answer("The outputs, run at once", {}, output_types()),
                    204: Answer("Links to the outputs, in the header Link", media_types=()),
                    201: Answer(
                        "A job", STATUS, ("application/json",), {"Location": "Where it is"}
                    ),
                    303: Answer(
                        "Where results lie in a storage: its link to the file", media_types=()
                    ),
                    409: Answer("The key came with another body", media_types=()),
                },
                access=Access.WRITE_JOBS,
            ),
        ),
        (_PROCESS_ID,),
    ),
)
