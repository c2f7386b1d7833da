"""What is told of a job, and in which words it goes over the line."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urljoin

from marinemap.api.declarations.serving import write_json
from marinemap.api.processes.described import status_info
from marinemap.errors import RequestError
from marinemap.jobs.models import Job
from marinemap.jobs.queue import Place
from marinemap.sentences import say

# Not all at one moment, when the server was restarted.
_SOONEST_RETRY_MS, _LATEST_RETRY_MS = 2_000, 5_000
_ID = re.compile(r"(\d{1,16})-(\d{1,9})")
_BEGINNING = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, order=True)
class Version:
    """How a job stands, to be compared: when its row was written, and how many are ahead of it."""

    updated_at: datetime
    ahead: int

    def __str__(self) -> str:
        microseconds = (self.updated_at - _BEGINNING) // timedelta(microseconds=1)
        return f"{microseconds}-{self.ahead}"


@dataclass(frozen=True)
class Origin:
    """Where a client sees the API, for links: as the request had it that began a stream."""

    address: str

    def build_absolute_uri(self, location: str) -> str:
        """Return an address of the site as that client needs it."""
        return urljoin(self.address, location)


def version_of(job: Job, place: Place | None) -> Version:
    """Return how a job stands."""
    return Version(job.updated_at, place.ahead if place else 0)


def read_version(text: str) -> Version:
    """Return the version that the id of an event is.

    Raises
    ------
    RequestError
        If it is none.
    """
    found = _ID.fullmatch(text)
    if found is None:
        raise RequestError(
            say("not the id of an event"),
            field="Last-Event-ID",
            value=text,
            hint=say("Send that of the last event as it came, or leave the header out."),
        )
    return Version(_BEGINNING + timedelta(microseconds=int(found[1])), int(found[2]))


def greeting() -> bytes:
    """Return how a stream begins: when to come back if it ends."""
    return b"retry: %d\n\n" % random.randint(_SOONEST_RETRY_MS, _LATEST_RETRY_MS)


def message(job: Job, place: Place | None, number: Version, origin: Origin) -> bytes:
    """Return the event that tells how a job stands."""
    # JSON has no line breaks of its own: one line of data.
    return b"id: %s\ndata: %s\n\n" % (
        str(number).encode(),
        write_json(status_info(origin, job, place)),
    )
