"""What an operator and a program do on a site with a broker of its own, told as JSON."""

from __future__ import annotations

import json
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import django

django.setup()

from django.core.management import CommandError, call_command  # noqa: E402

from marinemap.jobs import submission  # noqa: E402
from marinemap.jobs.health import health_of_site  # noqa: E402
from marinemap.jobs.models import Job  # noqa: E402
from marinemap.jobs.owners import Sender  # noqa: E402
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


print(json.dumps(operate() if PART == "operate" else work()))
