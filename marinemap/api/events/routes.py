"""The routes of events, declared."""

from __future__ import annotations

from marinemap.api.access import Access
from marinemap.api.declarations import Answer, Operation, Parameter, Route
from marinemap.api.events import views
from marinemap.api.processes.declared import JOB_ID

_LAST = Parameter(
    "Last-Event-ID",
    {"type": "string", "minLength": 1, "maxLength": 100},
    "The id of the last event that came: what was since is told first.",
    "header",
)
_EVENTS = Answer(
    "Events (text/event-stream): the data of each is the status of a job, as at /jobs/{jobId}",
    {"type": "string"},
    (views.MEDIA_TYPE,),
)

ROUTES = (
    Route(
        "all-events",
        "/jobs/events",
        (
            Operation(
                "GET",
                "getEvents",
                "Be told of all your jobs as they change",
                views.of_all,
                "Jobs",
                (_LAST,),
                answers={200: _EVENTS},
                access=Access.READ_JOBS,
            ),
        ),
    ),
    Route(
        "events",
        "/jobs/{jobId}/events",
        (
            Operation(
                "GET",
                "getJobEvents",
                "Be told of a job as it changes, to its end",
                views.of_job,
                "Jobs",
                (_LAST,),
                answers={
                    200: _EVENTS,
                    204: Answer("It has ended, and this was told", media_types=()),
                },
                access=Access.READ_JOBS,
            ),
        ),
        (JOB_ID,),
    ),
)
