"""What an operator and a program do on a site with a broker of its own, told as JSON."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import django

django.setup()

from django.core.management import CommandError, call_command  # noqa: E402
from django.utils import timezone  # noqa: E402

from marinemap import other_brokers  # noqa: E402
from marinemap.jobs import submission  # noqa: E402
from marinemap.jobs.health import health_of_site  # noqa: E402
from marinemap.jobs.lifecycle import dismiss  # noqa: E402
from marinemap.jobs.models import Job  # noqa: E402
from marinemap.jobs.owners import Sender  # noqa: E402
from marinemap.jobs.queue import find_place  # noqa: E402
from marinemap.jobs.stalled import requeue_stalled  # noqa: E402
from tests.running_site import wait_for  # noqa: E402
from tests.tasks.harbour import tasks  # noqa: E402

PART, FOLDER = sys.argv[1], Path(sys.argv[2])


def submit() -> Job:
    return submission.submit("echo", {"message": "hello"}, Sender("browser:one"))


def queue(*arguments: str) -> str:
    output = StringIO()
    try:
        call_command("queue", *arguments, stdout=output)
    except CommandError as error:
        return f"error: {error}"
    return output.getvalue()


def states(jobs: list[Job]) -> list[str]:
    return sorted(Job.objects.filter(pk__in=[j.pk for j in jobs]).values_list("status", flat=True))


def operate() -> dict[str, Any]:
    """Look at the queue and mend it while no worker runs."""
    jobs = [submit() for _ in range(3)]
    told: dict[str, Any] = {"ids": [str(job.pk) for job in jobs], "health": health_of_site()}
    told["list"] = json.loads(queue("--json"))["queues"]
    told["words"] = queue()
    told["show"] = json.loads(queue("show", "short", "--json"))
    told["show two"] = json.loads(queue("show", "short", "--limit", "2", "--json"))
    told["still"] = json.loads(queue("--json"))["queues"]
    told["requeue"] = [queue("requeue", str(jobs[0].pk)), queue("requeue", "17")]
    told["after requeue"] = len(json.loads(queue("show", "short", "--json")))
    told["no queue"] = queue("purge", "shorts")
    told["purge"] = [queue("purge", "short"), queue("purge", "short")]
    told["states"] = states(jobs)
    told["dead"] = queue("dead")
    return told


def work() -> dict[str, Any]:
    """Run jobs, and tasks with a rate, on two workers."""
    jobs = [submit() for _ in range(2)]
    for _ in range(5):
        tasks.cast_off.delay(str(FOLDER))
    wait_for(lambda: states(jobs) == ["successful"] * 2, "the end of the jobs")
    notes = FOLDER / "notes"
    lines = wait_for(
        lambda: found if notes.exists() and len(found := notes.read_text().split()) == 15 else None,
        "five starts",
    )
    return {"starts": sorted(float(word) for word in lines[2::3])}


def outage() -> dict[str, Any]:
    """Submit while the broker is away; look for what was stored, and let it be found."""
    Job.objects.all().delete()
    jobs = [submit() for _ in range(3)]
    told: dict[str, Any] = {"unsent": Job.objects.filter(is_unsent=True).count()}
    told["ahead"] = [place.ahead for job in jobs if (place := find_place(job))]
    Job.objects.update(updated_at=timezone.now() - timedelta(minutes=1))
    told["while away"] = requeue_stalled()
    return told


def mute() -> dict[str, Any]:
    """Submit and cancel while the broker takes connections and answers nothing."""
    other_brokers.sending.seconds = 1.0
    Job.objects.all().delete()
    # Each by itself: how long the broker is mute, nobody knows.
    waiting = [submit() for _ in range(3)]
    dismiss(waiting.pop())
    jobs = Job.objects.order_by("created_at")
    return {"jobs": [[job.status, job.is_unsent] for job in jobs]}


def back() -> dict[str, Any]:
    """Let what was stored be found, now that the broker is back."""
    Job.objects.update(updated_at=timezone.now() - timedelta(minutes=1))
    told: dict[str, Any] = {"sent": len(requeue_stalled())}
    told["again"] = requeue_stalled()
    told["unsent"] = Job.objects.filter(is_unsent=True).count()
    jobs = list(Job.objects.all())
    wait_for(lambda: states(jobs) == ["successful"] * 3, "the end of the jobs")
    return told


PARTS = {"operate": operate, "work": work, "outage": outage, "mute": mute, "back": back}
print(json.dumps(PARTS[PART]()))
