"""``manage.py queue``: what an operator sees and can do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from marinemap.jobs import runs, submission
from marinemap.jobs.models import BeatSighting, Job
from marinemap.jobs.owners import Sender
from marinemap.jobs.tasks import get_shps
from tests.running_site import PROJECT

pytestmark = pytest.mark.django_db(transaction=True)

_TABLES = ("messages", "dead_letters", "queues", "consumers", "rates", "starts")


@pytest.fixture(autouse=True)
def empty_queue(transactional_db: None) -> Iterator[None]:
    # Django's own emptying between tests does not know these tables.
    for table in _TABLES:
        execute(f"DELETE FROM broker_{table}")
    yield
    for table in _TABLES:
        execute(f"DELETE FROM broker_{table}")


def execute(sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


def queue(*arguments: str) -> str:
    """Run the command; return what it printed."""
    output = StringIO()
    call_command("queue", *arguments, stdout=output)
    return output.getvalue()


def bury(count: int = 1, task: str = "NULL", reason: str = "rejected") -> list[int]:
    """Submit jobs, and move their messages to the dead letters as a worker would."""
    for _ in range(count):
        submission.submit("echo", {"message": "x"}, Sender("someone"))
    before = {row[0] for row in execute("SELECT id FROM broker_dead_letters")}
    shared = "queue_name, owner, correlation_id, payload, published_at_ms"
    execute(
        f"INSERT INTO broker_dead_letters (message_id, attempts, died_at_ms, task_name, reason, "
        f"{shared}) SELECT id, 20, 1700000000000, coalesce({task}, task_name), '{reason}', "
        f"{shared} FROM broker_messages ORDER BY id"
    )
    execute("DELETE FROM broker_messages")
    rows = execute("SELECT id FROM broker_dead_letters ORDER BY id")
    return [row[0] for row in rows if row[0] not in before]


def count(table: str) -> int:
    return int(execute(f"SELECT count(*) FROM broker_{table}")[0][0])


def test_summary_is_an_aligned_table() -> None:
    bury(2)
    submission.submit("echo", {"message": "x"}, Sender("someone"))
    heads, row, *rest = queue().splitlines()
    assert heads.split() == [
        *("queue", "waiting", "for", "a", "rate", "due", "later", "working", "dead"),
        *("oldest", "s", "latency", "s"),
    ]
    assert row.split()[:6] == ["short", "1", "0", "0", "0", "2"]
    assert row.split()[6:] == ["0", "0.0"]
    assert len(row) == len(heads)
    assert rest[0] == rest[3] == ""
    assert rest[1].split() == [
        *("worker", "on", "process", "kind", "lease", "for", "lease", "left", "holds")
    ]
    assert rest[2] == rest[5] == "none"


def test_summary_tells_workers_and_rates() -> None:
    execute("INSERT INTO broker_consumers VALUES ('c', 'sea', 4711, 0, 99999999999999, 1, 1)")
    execute("INSERT INTO broker_rates VALUES ('clip', '4/m', '4/m', 4, 60000, NULL)")
    summary = json.loads(queue("--json"))
    assert summary["queues"] == []
    (worker,) = summary["consumers"]
    assert (worker["hostname"], worker["process_id"], worker["messages_held"]) == ("sea", 4711, 0)
    assert summary["rates"] == [
        {
            "task_name": "clip",
            "rate": "4/m",
            "starts_in_window": 0,
            "starts_left": 4,
            "max_starts": 4,
            "window_seconds": 60.0,
        }
    ]
    lines = [line.split() for line in queue().splitlines()]
    assert ["clip", "4/m", "0", "of", "4"] in lines
    assert any(line[:2] == ["sea", "4711"] for line in lines)


def test_summary_tells_which_worker_is_the_caretaker() -> None:
    for name, process in (("c", 4711), ("d", 4712)):
        row = f"('{name}', 'sea', {process}, 0, 99999999999999, 1, 1)"
        execute(f"INSERT INTO broker_consumers VALUES {row}")
    BeatSighting.objects.create(name="sea:4712:0123abcd", seen_at=timezone.now())
    summary = json.loads(queue("--json"))
    assert [worker["is_caretaker"] for worker in summary["consumers"]] == [False, True]
    lines = [line.split()[:3] for line in queue().splitlines()]
    assert ["sea", "4711", "worker"] in lines
    assert ["sea", "4712", "caretaker"] in lines


def test_dead_letters_are_listed_up_to_a_limit() -> None:
    ids = bury(3, reason="bad\nline \x1b[31m")
    heads, first, second = queue("dead", "--limit", "2").splitlines()
    assert heads.split() == ["id", "died", "at", "queue", "task", "owner", "attempts", "reason"]
    assert first.split()[:4] == [str(ids[2]), "2023-11-14", "22:13:20Z", "short"]
    assert second.split()[0] == str(ids[1])
    # A reason may quote a message of anyone's: it must not steer the terminal.
    assert first.endswith(r"bad\nline \x1b[31m")


@pytest.mark.parametrize("arguments", [("--json", "dead"), ("dead", "--json")])
def test_dead_letters_are_listed_for_machines(arguments: tuple[str, ...]) -> None:
    (dead_letter_id,) = bury()
    (letter,) = json.loads(queue(*arguments))
    assert (letter["id"], letter["reason"]) == (dead_letter_id, "rejected")


def test_named_dead_letters_are_sent_again() -> None:
    first, second, third = bury(3)
    assert queue("requeue", str(first), str(third)) == "Sent again: 2 dead letters.\n"
    assert execute("SELECT id FROM broker_dead_letters") == [(second,)]
    assert count("messages") == 2


def test_all_of_a_task_are_sent_again() -> None:
    bury(2)
    bury(1, task="'other'")
    assert queue("requeue", "--all", "--task", "other") == "Sent again: 1 dead letter.\n"
    assert (count("messages"), count("dead_letters")) == (1, 2)
    assert queue("requeue", "--all") == "Sent again: 2 dead letters.\n"
    assert queue("requeue", "--all") == "Sent again: 0 dead letters.\n"


def test_dead_letters_are_discarded() -> None:
    first, _, _ = bury(3)
    assert queue("discard", str(first)) == "Discarded: 1 dead letter.\n"
    assert queue("discard", "--all") == "Discarded: 2 dead letters.\n"
    assert (count("messages"), count("dead_letters")) == (0, 0)


def test_fault_of_the_transport_is_told_with_what_to_do() -> None:
    with pytest.raises(CommandError, match="id: there is no dead letter 77.*\nList the dead"):
        queue("requeue", "77")


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("requeue",), "ID, --all: neither given"),
        (("discard", "1", "--all"), "ID, --all: both given"),
        (("requeue", "1", "--task", "clip"), "--task: 'clip' goes with --all"),
        (("requeue", "x1"), "'x1' is not the id of a dead letter: a whole number from 1 to"),
        (("discard", "9" * 30), "is not the id of a dead letter"),
        (("discard", "9223372036854775808"), "is not the id of a dead letter"),
        (("discard", "²"), "is not the id of a dead letter"),
        (("dead", "--limit", "0"), "--limit: '0' is not a limit: a whole number from 1 to 10000"),
        (("--json", "discard", "--all"), "--json: `queue discard` has no such output"),
        (("bury",), "invalid choice: 'bury'"),
    ],
)
def test_bad_input_is_named(arguments: tuple[str, ...], fault: str) -> None:
    bury()
    with pytest.raises(CommandError) as caught:
        queue(*arguments)
    assert fault in str(caught.value)
    assert count("dead_letters") == 1


def test_broker_that_is_away_is_told_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(current_app.conf, "broker_url", "redis://:secret@127.0.0.1:1/0")
    with pytest.raises(CommandError) as caught:
        queue()
    assert "the broker does not answer" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_what_waits_is_shown() -> None:
    jobs = [submission.submit("echo", {"message": "x"}, Sender("someone")) for _ in range(3)]
    shown = json.loads(queue("show", "short", "--limit", "2", "--json"))
    assert [each["task_id"] for each in shown] == [str(job.pk) for job in jobs[:2]]
    assert shown[0]["task_name"] == "marinemap.jobs.tasks.run_short_job"
    assert "run_short_job" in queue("show", "short") and "none" in queue("show", "celery")
    assert count("messages") == 3


def test_purge_cancels_what_waits_and_nothing_else() -> None:
    waits = submission.submit("echo", {"message": "x"}, Sender("someone"))
    running = submission.submit("echo", {"message": "y"}, Sender("someone"))
    runs.start(running.pk, is_redelivered=False)
    get_shps.delay("reefs")
    assert "1 requests cancelled" in queue("purge", "short")
    states = dict(Job.objects.values_list("pk", "status"))
    assert states == {waits.pk: "dismissed", running.pk: "running"}
    assert count("messages") == 1
    assert "0 requests cancelled, 1 messages deleted" in queue("purge", "celery")
    with pytest.raises(CommandError, match="there is no queue 'shrot'.*Did you mean 'short'"):
        queue("purge", "shrot")


def test_exit_status_tells_bad_input_from_failure(tmp_path: Path) -> None:
    environment = {n: v for n, v in os.environ.items() if n != "DATABASE_URL"} | {
        "MARINEMAP_HOME": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "marinemap.settings",
    }

    def run(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "manage.py", "queue", *arguments],
            cwd=PROJECT,
            env=environment,
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stderr

    assert run("requeue", "x")[0] == run("requeue")[0] == 2
    status, printed = run("dead")
    assert status == 1
    assert "the queue's tables are missing" in printed
    assert "Traceback" not in printed
