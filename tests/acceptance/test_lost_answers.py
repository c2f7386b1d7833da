"""What was committed is committed, although nobody heard so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.lossy_proxy import LossyProxy, lossy_proxy
from tests.running_site import Client, RunningSite, wait_for

MakeSite = Callable[..., RunningSite]

on_postgresql = pytest.mark.parametrize("prepared", ["postgresql"], indirect=True)
on_sqlite = pytest.mark.parametrize("prepared", ["sqlite"], indirect=True)
AREA = [0, 40, 5, 45]
REQUEST = {"inputs": {"layers": ["reefs"], "area": AREA}}
# The key of the advisory lock that holds up commits; any number will do.
_GATE = 20261122


@pytest.fixture
def proxy(prepared: RunningSite) -> Iterator[LossyProxy]:
    port = urlsplit(prepared.environment["DATABASE_URL"]).port
    assert port is not None
    with lossy_proxy(port) as proxy:
        yield proxy


def behind(site: RunningSite, proxy: LossyProxy) -> RunningSite:
    url = urlsplit(site.environment["DATABASE_URL"])
    through = url._replace(netloc=f"{url.username}@127.0.0.1:{proxy.port}")
    site.environment["DATABASE_URL"] = through.geturl()
    return site


@contextmanager
def held_at_commit(url: str, status: str) -> Iterator[None]:
    """Hold up every commit that writes a job of a status, until the end."""
    with psycopg.connect(url, autocommit=True) as holder:
        holder.execute(f"SELECT pg_advisory_lock({_GATE})")
        holder.execute(
            "CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$"
            f"BEGIN PERFORM pg_advisory_xact_lock_shared({_GATE}); RETURN NULL; END $$"
        )
        holder.execute(
            "CREATE CONSTRAINT TRIGGER gate AFTER INSERT OR UPDATE ON jobs_job "
            "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
            f"WHEN (NEW.status = '{status}') EXECUTE FUNCTION wait_at_gate()"
        )
        try:
            yield
        finally:
            holder.execute(f"SELECT pg_advisory_unlock({_GATE})")
            holder.execute("DROP TRIGGER gate ON jobs_job")


def serve_behind(site: RunningSite, proxy: LossyProxy) -> tuple[str, Client]:
    """Serve a site with the proxy before its database; return the latter's address and a client."""
    direct = site.environment["DATABASE_URL"]
    behind(site, proxy).start_web()
    return direct, Client(site)


def count_waiting_for_commit(database: psycopg.Connection) -> int:
    """Return how many statements wait for another's transaction to end."""
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted"
    return int(database.execute(waiting).fetchone()[0])


@on_postgresql
def test_request_whose_commit_was_done_unheard_is_answered_with_its_job(
    make_site: MakeSite, proxy: LossyProxy
) -> None:
    site = behind(make_site(), proxy)
    site.start_web()
    client = Client(site)
    proxy.lose_answer_to_commit_after(b'INSERT INTO "jobs_job"')
    answer = client.post_execution(REQUEST)
    # It tells so once the server is done, which may be after the answer.
    wait_for(proxy.has_cut.is_set, "the cut")
    assert answer.status_code == 201
    assert client.status(answer.headers["Location"])["status"] == "accepted"


@on_postgresql
def test_request_whose_commit_is_under_way_unheard_is_answered_with_its_job(
    make_site: MakeSite, proxy: LossyProxy
) -> None:
    """It was told that nothing was stored: asked too early, the server was not done yet."""
    direct, client = serve_behind(make_site(), proxy)
    proxy.lose_answer_to_commit_after(b'INSERT INTO "jobs_job"')
    with ThreadPoolExecutor() as pool, psycopg.connect(direct, autocommit=True) as database:
        with held_at_commit(direct, "accepted"):
            asked = pool.submit(client.post_execution, REQUEST)
            what = "an answer, or waiting for the commit"
            wait_for(lambda: asked.done() or count_waiting_for_commit(database), what)
        answer = asked.result(180)
        wait_for(proxy.has_cut.is_set, "the cut")
    assert answer.status_code == 201
    assert client.status(answer.headers["Location"])["status"] == "accepted"


@on_postgresql
def test_request_that_waits_when_the_database_goes_is_answered_with_its_job(
    make_site: MakeSite, proxy: LossyProxy
) -> None:
    direct, client = serve_behind(make_site(), proxy)
    with ThreadPoolExecutor() as pool, psycopg.connect(direct, autocommit=True) as database:
        asked = pool.submit(client.post_execution, REQUEST, prefer="wait=10")
        find = "SELECT 1 FROM jobs_job"
        wait_for(lambda: database.execute(find).fetchone(), "a job")
        proxy.go_away()
        answer = asked.result(180)
    assert answer.status_code == 201
    assert answer.json()["status"] == "accepted"


@on_postgresql
def test_run_whose_end_was_written_unheard_keeps_its_archive(
    make_site: MakeSite, proxy: LossyProxy, tmp_path: Path
) -> None:
    site = behind(make_site(), proxy)
    site.start_web()
    site.start_worker()
    client = Client(site)
    proxy.lose_answer_to_commit_after(b"\"status\" = 'successful'")
    job = client.submit(layers=["reefs"], area=AREA)
    assert client.wait(job)["status"] == "successful"
    wait_for(proxy.has_cut.is_set, "the cut")
    # What the run makes of it comes after that; an archive that was taken for another's would go.
    wait_for(lambda: "is ready: " in site.log("worker"), "the end of the run as it sees it")
    client.download(job, tmp_path)


@on_postgresql
def test_run_whose_end_is_being_written_unheard_keeps_its_archive(
    make_site: MakeSite, proxy: LossyProxy, tmp_path: Path
) -> None:
    """It took its own end for another's, and removed the archive of a job that is ready."""
    site = make_site()
    direct = site.environment["DATABASE_URL"]
    behind(site, proxy).start_web()
    site.start_worker()
    client = Client(site)
    proxy.lose_answer_to_commit_after(b"\"status\" = 'successful'")
    with psycopg.connect(direct, autocommit=True) as database:
        with held_at_commit(direct, "successful"):
            job = client.submit(layers=["reefs"], area=AREA)
            wait_for(lambda: count_waiting_for_commit(database), "another try")
        wait_for(proxy.has_cut.is_set, "the cut")
    assert client.wait(job)["status"] == "successful"
    seen = ("is ready: ", "is no longer this run's")
    wait_for(lambda: any(each in site.log("worker") for each in seen), "the end as the run sees it")
    client.download(job, tmp_path)


@on_postgresql
def test_run_whose_start_was_written_unheard_goes_on(
    make_site: MakeSite, proxy: LossyProxy
) -> None:
    site = behind(make_site(), proxy)
    site.start_web()
    site.start_worker()
    client = Client(site)
    proxy.lose_answer_to_commit_after(b"'Starting.'")
    job = client.submit(layers=["reefs"], area=AREA)
    # Without a schedule nobody else would miss it.
    assert client.wait(job)["status"] == "successful"
    wait_for(proxy.has_cut.is_set, "the cut")


@on_sqlite
def test_job_is_stored_while_another_broker_is_away(make_site: MakeSite) -> None:
    site = make_site(CELERY_BROKER_URL="amqp://guest@127.0.0.1:1//")
    site.start_web()
    client = Client(site)
    job = client.submit(layers=["reefs"], area=AREA)
    told = client.status(job)
    assert told["status"] == "accepted"
    assert told["message"].startswith("Nobody is ahead")
