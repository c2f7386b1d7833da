"""Begin a stream of events: what there is to tell at once, then what happens."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from marinemap.api.address import address_of
from marinemap.api.events.feed import Watch, feed
from marinemap.api.events.limits import check_room
from marinemap.api.events.messages import Origin, greeting, read_version, version_of
from marinemap.api.events.refused import sign_in_of
from marinemap.api.identity import get_job, listed_owners, owners_of
from marinemap.errors import RequestError
from marinemap.jobs.models import Job
from marinemap.jobs.queue import find_places
from marinemap.jobs.states import FINISHED
from marinemap.sentences import say

MEDIA_TYPE = "text/event-stream"
# The web server of a site gives a function by this name, which keeps a connection open; under
# another one a stream ends with what there was to tell, and its reader comes back by itself.
_KEEP_OPEN = "marinemap.keep_open"
# At once; whoever has more asks for the list.
_MOST_AT_ONCE = 1_000


def of_job(request: HttpRequest, job_id: str, last_event_id: str | None) -> HttpResponseBase:
    """Tell how one job stands, each time that it changes, to its end."""
    job = get_job(request, job_id)
    last = read_version(last_event_id) if last_event_id else None
    if job.is_finished and last == version_of(job, None):
        # What tells a browser not to come back (WHATWG HTML, 9.2.3).
        return HttpResponse(status=204)
    watch = _watch(request)
    watch.job_id = job.pk
    if last is not None:
        watch.told[job.pk] = last
    return _stream(request, watch, [job], goes_on=not job.is_finished)


def of_all(request: HttpRequest, last_event_id: str | None) -> HttpResponseBase:
    """Tell of all jobs of whoever asks: of those that wait or run, then of each that changes."""
    owners = listed_owners(request)
    if owners.is_nobody:
        raise RequestError(
            say("nobody is known by this request, so that there are no jobs to tell of"),
            field="Cookie",
            hint=say(
                "Send the cookie that came with a job, or a token; of one job "
                "/api/jobs/{jobId}/events tells."
            ),
        )
    watch = _watch(request)
    watch.owners = owners
    jobs = Job.objects.filter(owners.jobs)
    if last_event_id:
        watch.last = read_version(last_event_id)
        # Told at once, and never looked for again: the feed looks from when this began.
        jobs = jobs.filter(updated_at__gte=watch.last.updated_at)
    else:
        jobs = jobs.exclude(status__in=FINISHED)
    return _stream(request, watch, _newest(jobs), goes_on=True)


def _newest(jobs: QuerySet[Job]) -> Sequence[Job]:
    """Return the jobs that changed last, in the order in which they did."""
    return list(jobs.order_by("-updated_at")[:_MOST_AT_ONCE])[::-1]


def _watch(request: HttpRequest) -> Watch:
    address = address_of(request)
    person = next(iter(owners_of(request)), address)
    origin = Origin(request.build_absolute_uri("/"))
    return Watch(origin, person, address, sign_in_of(request))


def _stream(
    request: HttpRequest, watch: Watch, jobs: Sequence[Job], *, goes_on: bool
) -> HttpResponseBase:
    keep_open = request.META.get(_KEEP_OPEN)
    if goes_on and keep_open and request.method == "GET":
        check_room(feed.open_watches(), watch.person, watch.address)
        keep_open(lambda connection: feed.add(watch, connection))
    places = find_places(jobs)
    told = b"".join(watch.event(job, places.get(job.pk)) for job in jobs)
    # Of no length that is known: it may go on.
    response = StreamingHttpResponse([greeting() + told], content_type=MEDIA_TYPE)
    response.headers["Cache-Control"] = "no-store"
    # nginx passes on each event by itself then, whatever its site says of buffers.
    response.headers["X-Accel-Buffering"] = "no"
    return response
