"""One thread looks once a second which jobs changed, by one query for all who are told."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet
from django.utils import timezone

from marinemap.api.events.messages import Origin, Version, message, version_of
from marinemap.api.events.refused import SignIn, refused
from marinemap.api.identity import Owners
from marinemap.jobs.models import Job
from marinemap.jobs.queue import Place, find_places
from marinemap.jobs.states import JobStatus
from marinemap.tasks.outages import DATABASE_AWAY, drop_connection

logger = logging.getLogger(__name__)

_EVERY_SECONDS = 1.0
# Places change with every start; they are asked of the queue, one question for all.
_PLACES_EVERY_SECONDS = 3.0
# Then a client comes back, and it is seen anew what it may see.
_MOST_SECONDS = 1800
# The clocks of the machines that write are not one; what is told twice does no harm.
_OVERLAP = timedelta(seconds=30)
_AT_A_TIME, _PAUSE_SECONDS = 20, 0.004
# Rows of one look; of the jobs told of in one stream so many are remembered at least.
_MOST_ROWS, _MOST_TOLD = 5_000, 200


class Connection(Protocol):
    """What the web server keeps open."""

    @property
    def is_open(self) -> bool: ...

    @property
    def is_behind(self) -> bool: ...

    def send(self, content: bytes) -> None: ...

    def end(self) -> None: ...


@dataclass(eq=False)
class Watch:
    """One stream: of one job, or of all of some owners.

    ``sign_in`` says who signed in, and by what: the stream ends with that.
    ``told`` is how those jobs stood that were told of last, ``since`` the latest change seen,
    ``last`` the id of the latest event.
    """

    origin: Origin
    person: str
    address: str
    sign_in: SignIn = field(default_factory=SignIn)
    job_id: UUID | None = None
    owners: Owners | None = None
    told: dict[UUID, Version] = field(default_factory=dict)
    since: datetime = field(default_factory=timezone.now)
    last: Version | None = None
    begun_at: float = field(default_factory=time.monotonic)

    def concerns(self, job: Job) -> bool:
        """Tell whether how a job stands is to be told to its owners here."""
        is_new = job.updated_at >= self.since - _OVERLAP or job.status == JobStatus.ACCEPTED
        return self.owners is not None and is_new and self.owners.own(job)

    def event(self, job: Job, place: Place | None) -> bytes:
        """Return what is to be told of a job; nothing where that was told already."""
        version = version_of(job, place)
        if self.told.get(job.pk) == version:
            return b""
        self.told[job.pk] = version
        self.since = max(self.since, job.updated_at)
        # Never less than that of an event before: who comes back goes on from there.
        self.last = version if self.owners is None else max(self.last or version, version)
        return message(job, place, self.last, self.origin)

    def forget_old(self, seen: Mapping[UUID, Job]) -> None:
        """Forget of which jobs was told that change no more."""
        if len(self.told) > _MOST_TOLD:
            self.told = {pk: version for pk, version in self.told.items() if pk in seen}


class Feed:
    """All streams of this process, and the thread that feeds them while there are any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._streams: dict[Watch, Connection] = {}
        self._thread: threading.Thread | None = None
        self._placed_at = float("-inf")

    def open_watches(self) -> list[Watch]:
        """Return what is told of on connections that are open."""
        with self._lock:
            return [watch for watch, stream in self._streams.items() if stream.is_open]

    def add(self, watch: Watch, stream: Connection) -> None:
        """Tell on a connection what a watch concerns, as long as it is open."""
        with self._lock:
            self._streams[watch] = stream
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="events", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        try:
            while self._open():
                begun = time.monotonic()
                try:
                    self._tell()
                except DATABASE_AWAY as error:
                    logger.warning("Streams of events wait for the database: %s", error)
                    drop_connection()
                except Exception:
                    logger.exception("A look for events failed")
                time.sleep(max(0.1, _EVERY_SECONDS - (time.monotonic() - begun)))
        finally:
            connection.close()

    def _open(self) -> bool:
        """Forget what is closed, and end what is old; tell whether there is any left."""
        now = time.monotonic()
        with self._lock:
            for watch, stream in list(self._streams.items()):
                if now - watch.begun_at > _MOST_SECONDS:
                    stream.end()
                if not stream.is_open:
                    del self._streams[watch]
            if not self._streams:
                self._thread = None
            return self._thread is not None

    def _tell(self) -> None:
        with self._lock:
            streams = dict(self._streams)
        for watch in refused(list(streams)):
            streams.pop(watch).end()
        found = list(_found(list(streams)))
        ended = {job.pk for job in found if job.is_finished}
        if len(found) < _MOST_ROWS:
            # What was looked for and is not there was removed.
            ended |= {watch.job_id for watch in streams if watch.job_id} - {j.pk for j in found}
        looked = _Looked(self._with_known_places(found))
        places = find_places(looked.by_id.values())
        for at, (watch, stream) in enumerate(streams.items()):
            if at % _AT_A_TIME == 0:
                # Requests have their turn: to tell a thousand takes a third of a second.
                time.sleep(_PAUSE_SECONDS)
            # Who is behind is told how it stands then, not all that was between.
            if stream.is_behind:
                continue
            _tell_one(watch, stream, looked, places)
            if watch.job_id in ended:
                stream.end()
            watch.forget_old(looked.by_id)

    def _with_known_places(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Return the jobs to tell of in this round: waiting ones in every third."""
        now = time.monotonic()
        if now - self._placed_at < _PLACES_EVERY_SECONDS:
            return [job for job in jobs if job.status != JobStatus.ACCEPTED]
        self._placed_at = now
        return jobs


def _found(watches: Sequence[Watch]) -> QuerySet[Job]:
    """Return the jobs that are to be looked at; of very many those that changed last."""
    wanted = Q(pk__in={watch.job_id for watch in watches if watch.job_id is not None})
    own = [(watch.owners, watch.since) for watch in watches if watch.owners is not None]
    if own:
        # One term for all: a database takes so many at most.
        names = {name for owners, _ in own for name in owners.names}
        addresses = {owners.address for owners, _ in own if owners.address}
        whose = Q(owner__in=names) | Q(is_owner_known=False, address__in=addresses)
        since = min(since for _, since in own) - _OVERLAP
        wanted |= whose & (Q(updated_at__gte=since) | Q(status=JobStatus.ACCEPTED))
    return Job.objects.filter(wanted).order_by("-updated_at")[:_MOST_ROWS]


class _Looked:
    """The jobs of one look, to be found by their ids and by whose they are."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.by_id = {job.pk: job for job in jobs}
        self._of: defaultdict[str, list[Job]] = defaultdict(list)
        for job in jobs:
            self._of[job.owner].append(job)
            self._of[job.address].append(job)

    def concerning(self, watch: Watch) -> list[Job]:
        """Return the jobs that a stream may have to tell of."""
        if watch.owners is None:
            job_id = watch.job_id
            return [self.by_id[job_id]] if job_id is not None and job_id in self.by_id else []
        names = {*watch.owners.names, watch.owners.address} - {""}
        return [job for name in names for job in self._of.get(name, ()) if watch.concerns(job)]


def _tell_one(
    watch: Watch, stream: Connection, looked: _Looked, places: Mapping[UUID, Place]
) -> None:
    for job in sorted(looked.concerning(watch), key=lambda job: job.updated_at):
        if content := watch.event(job, places.get(job.pk)):
            stream.send(content)


feed = Feed()
