"""Tasks of an installed app, run by a real worker: found, told of, exclusive."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import Any

import pytest

from tests.running_site import PROJECT, RunningSite, wait_for

SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "tests.tasks.harbour_settings",
    "MARINEMAP_LOG_FORMAT": "json",
    "DJANGO_ADMINS": "Ann <ann@example.org>, bob@example.org",
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the agency's program tells; a worker of two processes runs its tasks."""
    home, folder = tmp_path_factory.mktemp("harbour"), tmp_path_factory.mktemp("notes")
    site = RunningSite(home, None, **SETTINGS)
    site.manage("migrate", "--verbosity", "0")
    try:
        site._start("worker", "manage.py", "celeryd", "-l", "INFO", "-c", "2")
        wait_for(lambda: "ready." in site.log("worker"), "a worker")
        done = subprocess.run(
            [sys.executable, "-m", "tests.tasks.harbour_story", str(folder)],
            cwd=PROJECT,
            env=site.environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stderr + site.log("worker")[-3000:]
    finally:
        # What a story that failed leaves at work is not waited for.
        site.signal("worker", signal.SIGKILL)
    answers: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    lines = [line for line in site.log("worker").splitlines() if line.startswith("{")]
    answers["log"] = [json.loads(line) for line in lines]
    return answers


def test_functions_and_classes_are_found(told: dict[str, Any]) -> None:
    place = "tests.tasks.harbour.tasks"
    functions = [
        "add",
        "ask_another",
        "cast_off",
        "count_quietly",
        "hold_pier",
        "sink",
        "weigh_anchor",
    ]
    classes = ["DeepSounding", "NamedByItsPlace"]
    # What is only to be extended is no task.
    assert told["registered"] == sorted(
        ["fetch tides", *(f"{place}.{name}" for name in (*functions, *classes))]
    )
    assert told["by place"] == "tests.tasks.harbour.tasks.NamedByItsPlace"
    assert told["deep"] == "deep"


def test_caller_gives_the_id(told: dict[str, Any]) -> None:
    assert told["own id"] == [True, "BREST"]


def test_workers_log_has_the_id_of_the_request(told: dict[str, Any]) -> None:
    (asked,) = [line for line in told["log"] if line["message"] == "Asking brest"]
    assert asked["request_id"] == "from-a-browser" and asked["task_name"] == "fetch tides"
    assert not any("request_id" in line for line in told["log"] if "sink" in line["message"])


def test_waiting_for_another_task_is_refused(told: dict[str, Any]) -> None:
    assert "Never call result.get() within a task!" in told["asked another"]


def test_progress_is_read_by_id_and_goes_with_an_unwanted_result(told: dict[str, Any]) -> None:
    assert told["progress"] == ["PROGRESS", 1, 2, "half"]
    assert told["kept"] == 0


def test_administrators_are_told_once(told: dict[str, Any]) -> None:
    # Three failures of one kind, and one of another before.
    sunk = [letter for letter in told["letters"] if "sink" in letter[1]]
    assert [letter[0] for letter in sunk] == ["ann@example.org", "bob@example.org"]
    _, subject, body = sunk[0]
    assert subject.startswith("[MarineMap] task tests.tasks.harbour.tasks.sink failed: it sank")
    for part in (told["sunk"][0], "args: [10]", "ValueError", "Reference:", "harbour/tasks.py"):
        assert part in body


def test_exclusive_task_ends_at_once_while_another_runs(told: dict[str, Any]) -> None:
    assert told["second"] == "already running"


def test_lock_survives_a_killed_holder(told: dict[str, Any]) -> None:
    assert told["token after the kill"] == 2


def test_frozen_holder_does_not_end_as_the_holder(told: dict[str, Any]) -> None:
    words, state, wrote = told["zombie"]
    assert state == "FAILURE" and "another task has the lock 'pier'" in words
    assert wrote == []
