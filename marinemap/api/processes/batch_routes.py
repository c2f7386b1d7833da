"""The routes of batches, declared."""

from __future__ import annotations

from marinemap.api.access import Access
from marinemap.api.declarations import Answer, Operation, Parameter, Route
from marinemap.api.declarations.serving import FORM
from marinemap.api.links import LINKS
from marinemap.api.processes import batches
from marinemap.api.processes.declared import CACHE, COUNT, KEY, STATUS, TEXT

_BATCH_ID = Parameter("batchId", {"type": "string"}, "The id of a batch.", "path")
_BATCH = {
    "type": "object",
    "required": ["batchID", "total", "completed", "succeeded", "jobs", "links"],
    "properties": {
        "batchID": TEXT,
        **dict.fromkeys(("total", "completed", "succeeded", "failed", "dismissed"), COUNT),
        "jobs": {"type": "array", "items": STATUS},
        "links": LINKS,
    },
}

ROUTES = (
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
                (KEY, CACHE),
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
                answers={200: Answer("The batch", _BATCH)},
                access=Access.WRITE_JOBS,
            ),
        ),
        (_BATCH_ID,),
    ),
)
