"""A request that is sent again under its key makes no second job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from marinemap.errors import RequestError
from marinemap.jobs.models import Job, RequestKey
from marinemap.sentences import say

KEPT = timedelta(days=1)
# What stands in the place of a process in the fingerprint of a batch.
BATCH = "batch"
# Of a digest, in a message: enough to tell two bodies apart.
_SHOWN = 12


class KeyReusedError(RequestError):
    """The key came before with another request."""


@dataclass(frozen=True)
class KeyedRequest:
    """A request with its ``Idempotency-Key``.

    ``fingerprint`` is the process, or ``batch``, and the SHA-256 of the body. ``scope`` is within
    whose requests the key counts: an owner's, or those of a network address for who keeps no
    cookie. ``owners`` are all whose jobs the sender may see.
    """

    key: str
    fingerprint: str
    scope: str
    owners: Sequence[str] = ()

    def find_job(self) -> Job | None:
        """Return the job that was made of this request within the last day, of a batch the first.

        Raises
        ------
        KeyReusedError
            If the key came with another request.
        """
        own = Q(scope=self.scope) | Q(job__owner__in=self.owners)
        fresh = RequestKey.objects.filter(own, key=self.key, created_at__gt=timezone.now() - KEPT)
        first = fresh.select_related("job").order_by("created_at").first()
        if first is not None and first.fingerprint != self.fingerprint:
            raise self._reused(first)
        return first.job if first else None

    def keep(self, job: Job) -> None:
        """Keep what was made of this request; within the transaction that stores the job.

        Raises
        ------
        IntegrityError
            If another with the same key was stored at the same time.
        """
        long_ago = timezone.now() - KEPT
        same = RequestKey.objects.filter(scope=self.scope, key=self.key)
        same.filter(created_at__lte=long_ago).delete()
        RequestKey.objects.create(
            job=job, scope=self.scope, key=self.key, fingerprint=self.fingerprint
        )

    def _reused(self, first: RequestKey) -> KeyReusedError:
        # To who has no cookie the id is the key to a job, and may be another's.
        made = say("job {id}", id=first.job_id) if first.scope == first.job.owner else say("a job")
        return KeyReusedError(
            say(
                "this key came at {moment} with another body, of which {made} was made: "
                "then for {first}, now for {now}",
                moment=f"{first.created_at:%Y-%m-%dT%H:%M:%SZ}",
                made=made,
                first=_shown(first.fingerprint),
                now=_shown(self.fingerprint),
            ),
            field="Idempotency-Key",
            value=self.key,
            hint=say("Send a new key with a new request, such as a UUID."),
        )


def _shown(fingerprint: str) -> str:
    what, _, digest = fingerprint.partition(" ")
    digest = digest[:_SHOWN]
    if what == BATCH:
        return say("a batch, SHA-256 {digest}...", digest=digest)
    return say("process '{process}', SHA-256 {digest}...", process=what, digest=digest)


def bind(jobs: QuerySet[Job], owner: str) -> None:
    """Let the key of a job or a batch count for its owner only, who has now shown a cookie."""
    own = RequestKey.objects.filter(job__in=jobs)
    # One that counts no more: its owner may have used the same again.
    own.filter(created_at__lte=timezone.now() - KEPT).delete()
    own.update(scope=owner)


def forget_old() -> int:
    """Remove the keys that count no more; return how many."""
    return RequestKey.objects.filter(created_at__lte=timezone.now() - KEPT).delete()[0]
