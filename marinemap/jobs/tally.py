"""What became of jobs, counted for good: their rows go when their time is over."""

from __future__ import annotations

from datetime import datetime

from django.db.models import F

from marinemap.jobs.models import Job, JobTally

# Of a histogram's buckets the upper ends, seconds; the last has none (Prometheus's "le").
BUCKETS = ("1", "5", "15", "60", "300", "900", "3600", "+Inf")


def count_end(job: Job, status: str, finished_at: datetime, artifact_bytes: int = 0) -> None:
    """Count a job that ended after a run; within the transaction that says so.

    Parameters
    ----------
    job : Job
    status : str
        In which it ended.
    finished_at : datetime
    artifact_bytes : int, optional
        Of its archive.
    """
    begun_at = job.started_at or finished_at
    # A clock that was set back in between tells nothing.
    seconds = max(0.0, (finished_at - begun_at).total_seconds())
    bucket = next(each for each in BUCKETS if seconds <= float(each))
    kind = {"process_id": job.process_id, "status": status, "bucket": bucket}
    added = {
        "count": F("count") + 1,
        "seconds": F("seconds") + seconds,
        "artifact_bytes": F("artifact_bytes") + artifact_bytes,
    }
    if not JobTally.objects.filter(**kind).update(**added):
        # Two may be the first of a kind at once.
        JobTally.objects.bulk_create([JobTally(**kind)], ignore_conflicts=True)
        JobTally.objects.filter(**kind).update(**added)
