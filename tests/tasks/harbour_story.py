"""What a program of the agency's does with its tasks, told as JSON; a worker runs beside it."""

from __future__ import annotations

import json
import os
import signal
import sys
import uuid
from pathlib import Path
from typing import Any

import django

django.setup()

from django.db import connection  # noqa: E402
from django_celery_results.models import TaskResult  # noqa: E402

from marinemap.celery import app  # noqa: E402
from marinemap.jobs.progress import find_progress  # noqa: E402
from marinemap.logs import request_id  # noqa: E402
from marinemap.mail.models import Letter  # noqa: E402
from marinemap.tasks.models import ExclusiveLock  # noqa: E402
from tests.running_site import wait_for  # noqa: E402
from tests.stopping import stop_between_writes  # noqa: E402
from tests.tasks.harbour import tasks  # noqa: E402

FOLDER = Path(sys.argv[1])
told: dict[str, Any] = {}


def notes() -> list[str]:
    file = FOLDER / "notes"
    return file.read_text().splitlines() if file.exists() else []


def noted(start: str) -> list[str]:
    return [line for line in notes() if line.startswith(start)]


def end_of(result: Any) -> str:
    wait_for(result.ready, "the end of a task")
    return str(result.result)


def tell_of_plain_tasks() -> None:
    own_id = str(uuid.uuid4())
    with request_id.working_for("from-a-browser"):
        named = tasks.FetchTides().apply_async(("brest",), task_id=own_id)
    told["own id"] = [named.id == own_id, end_of(named)]
    told["by place"] = end_of(tasks.NamedByItsPlace().delay())
    told["deep"] = end_of(tasks.DeepSounding().delay())
    told["registered"] = sorted(name for name in app.tasks if "harbour" in name or "tides" in name)
    told["asked another"] = end_of(tasks.ask_another.delay())


def tell_of_progress() -> None:
    quiet = tasks.count_quietly.delay(str(FOLDER))
    wait_for(lambda: noted("quiet"), "the quiet task's beginning")
    found = find_progress(quiet.id)
    told["progress"] = [found.state, found.current, found.total, found.message]
    (FOLDER / "go").touch()
    wait_for(lambda: find_progress(quiet.id).state == "PENDING", "that it is forgotten")
    told["kept"] = TaskResult.objects.filter(task_id=quiet.id).count()


def tell_of_faults() -> None:
    for depth in (10, 20, 30):
        sunk = tasks.sink.delay(depth)
        end_of(sunk)
        told.setdefault("sunk", []).append(sunk.id)
    wait_for(Letter.objects.exists, "the letter")
    told["letters"] = list(Letter.objects.values_list("recipient", "subject", "body"))


def tell_of_locks() -> None:
    first = tasks.hold_pier.delay(str(FOLDER), "first")
    wait_for(lambda: noted("first"), "the first holder")
    told["second"] = end_of(tasks.hold_pier.delay(str(FOLDER), "second"))
    process_id = int(noted("first")[0].split()[1])
    os.kill(process_id, signal.SIGKILL)
    wait_for(lambda: len(noted("first")) == 2, "the first one's second run")
    told["token after the kill"] = ExclusiveLock.objects.get().token
    frozen_id = int(noted("first")[1].split()[1])
    stop_between_writes(connection.settings_dict["NAME"], frozen_id)
    try:
        (FOLDER / "third-go").touch()
        wait_for(take_over, "that another takes over")
    finally:
        (FOLDER / "first-go").touch()
        os.kill(frozen_id, signal.SIGCONT)
    told["zombie"] = [end_of(first), first.state, noted("first wrote")]


def take_over() -> bool:
    return end_of(tasks.hold_pier.delay(str(FOLDER), "third")) == "third held it"


tell_of_plain_tasks()
tell_of_progress()
tell_of_faults()
tell_of_locks()
print(json.dumps(told))
