"""The queue in the site's own database, as the composition root wires it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from django.db import connection, transaction

from marinemap.celery import app, find_transaction
from marinemap.jobs import lifecycle, submission
from marinemap.jobs.models import Job
from marinemap.jobs.owners import Sender
from marinemap.jobs.queue import find_place
from marinemap.transport.database.schema import REVISION, step_statements
from tests.postgresql import make_database, running_cluster
from tests.running_site import PROJECT

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def empty_queue(transactional_db: None) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM broker_messages")
    yield


def test_message_is_stored_in_the_transaction_that_makes_the_job() -> None:
    with transaction.atomic():
        job = submission.submit("echo", {"message": "x"}, Sender("someone"))
        assert _waiting() == [str(job.pk)]
    assert _waiting() == [str(job.pk)]


def test_queue_in_another_schema_is_not_written_by_the_callers_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Messages went into tables of the same names in the site's schema, where nobody consumes."""
    with transaction.atomic(), monkeypatch.context() as changed:
        for part, value in {"NAME": "db", "HOST": "h", "PORT": "", "OPTIONS": {}}.items():
            changed.setitem(connection.settings_dict, part, value)
        assert find_transaction("postgresql://me@h/db?sslmode=require") is not None
        assert find_transaction("postgresql://me@h/db?options=-csearch_path%3Dqueue") is None


def test_message_goes_with_a_transaction_that_is_rolled_back() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        submission.submit("echo", {"message": "x"}, Sender("someone"))
        assert len(_waiting()) == 1
        raise ZeroDivisionError
    assert _waiting() == []
    assert not Job.objects.exists()


def test_large_request_locks_nobody_out_before_it_is_committed() -> None:
    """The queue's own connection was: the first request of a process that was larger than
    SQLite's cache waited for itself, and was answered by 503 after half a minute."""
    if connection.vendor != "sqlite":
        pytest.skip("a server has locks of rows")
    with transaction.atomic():
        submission.submit("echo", {"message": "x" * 5_000_000}, Sender("someone"))
        other = sqlite3.connect(connection.settings_dict["NAME"], timeout=0)
        with closing(other):
            assert other.execute("SELECT count(*) FROM jobs_job").fetchone() == (0,)
    assert Job.objects.get()


def test_message_goes_with_what_a_caller_without_autocommit_ends() -> None:
    """Django has no atomic block then, and a transaction is open all the same."""
    transaction.set_autocommit(False)
    try:
        app.send_task("get_shps", ("ports",), task_id="undone")
        assert _waiting() == ["undone"]
        transaction.rollback()
        assert _waiting() == []
        app.send_task("get_shps", ("ports",), task_id="kept")
        transaction.commit()
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)
    assert _waiting() == ["kept"]


def test_waiting_job_knows_how_many_are_ahead() -> None:
    jobs = [submission.submit("echo", {"message": "x"}, Sender("someone")) for _ in range(3)]
    places = [find_place(job) for job in jobs]
    assert [place.ahead for place in places if place] == [0, 1, 2]
    assert places[1] is not None
    assert places[1].in_words() == "1 request is ahead; it starts as soon as a worker is free."


def test_finished_job_has_no_place() -> None:
    job = submission.submit("echo", {"message": "x"}, Sender("someone"))
    assert find_place(lifecycle.dismiss(job)) is None


def test_migrated_tables_are_those_of_the_code_on_sqlite(tmp_path: Path) -> None:
    _migrate(tmp_path)
    fresh = sqlite3.connect(tmp_path / "fresh.sqlite3")
    for statement in _all_steps("sqlite"):
        fresh.execute(statement)
    migrated = sqlite3.connect(tmp_path / "marinemap.sqlite3")
    query = "SELECT name, sql FROM sqlite_master WHERE name LIKE '%broker%' ORDER BY name"
    assert migrated.execute(query).fetchall() == fresh.execute(query).fetchall() != []
    fresh.close()
    migrated.close()


def test_migrated_tables_are_those_of_the_code_on_postgresql(tmp_path: Path) -> None:
    with running_cluster() as cluster:
        url = cluster.url("postgres")
        migrated, fresh = make_database(url, "migrated"), make_database(url, "fresh")
        _migrate(tmp_path, DATABASE_URL=migrated)
        with psycopg.connect(fresh) as made:
            for statement in _all_steps("postgresql"):
                made.execute(statement)
        assert _describe(migrated) == _describe(fresh) != []


def _all_steps(vendor: str) -> list[str]:
    steps = (step_statements(vendor, revision) for revision in range(1, REVISION + 1))
    return [statement for step in steps for statement in step]


def _waiting() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT correlation_id FROM broker_messages ORDER BY id")
        return [row[0] for row in cursor.fetchall()]


def _migrate(home: Path, **environment: str) -> None:
    inherited = {n: v for n, v in os.environ.items() if n != "DATABASE_URL"}
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
        cwd=PROJECT,
        env=inherited
        | {"MARINEMAP_HOME": str(home), "DJANGO_SETTINGS_MODULE": "marinemap.settings"}
        | environment,
        check=True,
    )


def _describe(url: str) -> list[tuple[object, ...]]:
    """Return every column, index and table option of the queue's tables."""
    with psycopg.connect(url) as session:
        columns = session.execute(
            "SELECT table_name, column_name, data_type, is_nullable, column_default, "
            "is_identity FROM information_schema.columns WHERE table_name LIKE 'broker%' "
            "ORDER BY 1, 2"
        ).fetchall()
        indexes = session.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename LIKE 'broker%' ORDER BY 1"
        ).fetchall()
        options = session.execute(
            "SELECT relname, reloptions FROM pg_class WHERE relname LIKE 'broker%' ORDER BY 1"
        ).fetchall()
    return [*columns, *indexes, *options]
