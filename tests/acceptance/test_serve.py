"""``make run``'s last step, and its first: everything starts together and stops together."""

from __future__ import annotations

import contextlib
import os
import runpy
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from marinemap.webserver_channel import ServerLimits
from tests.postgresql import free_port
from tests.process_tree import children_of, processes_with
from tests.running_site import PROJECT, Client, RunningSite, wait_for
from tests.slow_source import held_open

MakeSite = Callable[..., RunningSite]

one_database = pytest.mark.parametrize("prepared", ["sqlite"], indirect=True)


@one_database
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_stopping_serve_stops_every_process_that_it_started(
    make_site: MakeSite, number: signal.Signals
) -> None:
    site = make_site()
    serve = _serve(site, free_port())
    wait_for(lambda: b"MarineMap is ready on http://127.0.0.1:" in _output(site), "the ready line")
    # Web server, its worker, Celery's worker, its child, and beat, which comes last.
    wait_for(lambda: len(_processes_of(site)) >= 5, "five processes")
    serve.send_signal(number)
    serve.wait(180)
    _wait_for_end(site)


@one_database
def test_running_job_does_not_keep_the_worker_of_a_serve_that_was_killed(
    make_site: MakeSite, marine_gpkg: Path
) -> None:
    site = make_site()
    port = free_port()
    site.base = f"http://127.0.0.1:{port}"
    serve = _serve(site, port)
    wait_for(lambda: b"MarineMap is ready" in _output(site), "the ready line")
    client = Client(site)
    with held_open(marine_gpkg):
        job = client.submit(layers=["reefs"], area=[0, 40, 5, 45])
        wait_for(lambda: client.status(job)["status"] == "running", "the start of the job")
        serve.kill()
        serve.wait(180)
        _wait_for_end(site)
    # The file is held for some time only: the run would have gone on then.
    with contextlib.closing(sqlite3.connect(site.home / "marinemap.sqlite3")) as database:
        assert database.execute("SELECT status FROM jobs_job").fetchall() == [("running",)]


@one_database
def test_port_that_is_taken_is_told_in_one_line(make_site: MakeSite) -> None:
    site = make_site()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        serve = _serve(site, port)
        assert serve.wait(180) != 0
        expected = f"cannot listen on 127.0.0.1:{port}: Address already in use"
        assert expected in _output(site).decode()
        early = subprocess.run(
            [sys.executable, "scripts/preflight.py", "127.0.0.1", str(port)],
            cwd=PROJECT,
            capture_output=True,
            text=True,
        )
        assert early.returncode == 1
        assert "Try another port: make run PORT=" in early.stderr


@pytest.mark.parametrize("version", [(2, 7), (3, 10), (3, 14)])
def test_python_that_does_not_fit_is_told_with_what_to_do(
    version: tuple[int, int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (*version, 0, "final", 0))
    preflight = runpy.run_path(str(PROJECT / "scripts/preflight.py"))
    assert preflight["main"]("127.0.0.1", "8000") == 1
    told = capsys.readouterr().err
    assert f"this is Python {version[0]}.{version[1]}" in told
    assert "make run PYTHON=python3.11" in told


@one_database
def test_schedule_and_pool_end_with_a_killed_worker(make_site: MakeSite) -> None:
    site = make_site()
    site.start_web()
    site.start_worker("-B")
    worker = site.pid("worker")
    # The child that runs jobs, and the caretaker, which comes when the worker is ready.
    wait_for(lambda: len(children_of(worker)) >= 2, "the worker's children")
    web = set(_processes_of(site)) - {worker, *children_of(worker)}
    os.kill(site.pid("worker"), signal.SIGKILL)
    wait_for(lambda: set(_processes_of(site)) <= web, "the end of the worker's children")


@one_database
def test_worker_that_fails_while_it_is_told_to_end_does_not_begin_again(
    make_site: MakeSite,
) -> None:
    site = make_site()
    worker = _python(site, _FAILING_AT_ITS_END)
    wait_for(lambda: b"celery@" in _output(site) and b" ready." in _output(site), "the worker")
    worker.send_signal(signal.SIGTERM)
    _wait_for_end(site)
    worker.wait()
    assert b"Unrecoverable error" in _output(site)


# What is printed within a print raises so: the handler that Celery has for the signal prints.
_FAILING_AT_ITS_END = """
import signal, sys
sys.argv = ["manage.py", "celeryd", "-c", "1"]
import manage
from celery.signals import worker_ready

@worker_ready.connect(weak=False)
def fail_when_told(**_):
    celerys = signal.getsignal(signal.SIGTERM)

    def handle(*arguments):
        celerys(*arguments)
        raise RuntimeError("reentrant call")

    signal.signal(signal.SIGTERM, handle)

manage.main()
"""


@one_database
@pytest.mark.parametrize("owner", ["web", "celeryd"])
def test_process_whose_owner_ended_before_it_looked_ends(make_site: MakeSite, owner: str) -> None:
    site = make_site()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    process = _python(
        site,
        "import sys, manage\n"
        f"sys.argv = ['manage.py', 'beside', '--owner={ended.pid}', '{owner}']\n"
        "manage.main()",
    )
    _wait_for_end(site)
    process.wait()


@one_database
def test_signal_that_comes_within_a_destructor_ends_the_web_server(make_site: MakeSite) -> None:
    site = make_site()
    web = _python(site, _TOLD_WITHIN_A_COLLECTION.replace("PORT", str(free_port())))
    _wait_for_end(site)
    assert web.wait() == 0
    assert b"told to end" in _output(site)


# What a callback of the garbage collector raises is printed and forgotten.
_TOLD_WITHIN_A_COLLECTION = """
import gc, os, signal, sys
import manage
from marinemap import webserver

def end_within_collection(phase, info):
    gc.callbacks.clear()
    print("told to end", flush=True)
    os.kill(os.getpid(), signal.SIGTERM)

run = webserver._Server.maintenance

def collect(self, now):
    gc.callbacks.append(end_within_collection)
    gc.collect()
    run(self, now)

webserver._Server.maintenance = collect
sys.argv = ["manage.py", "web", "--port", "PORT"]
manage.main()
"""


def _serve(site: RunningSite, port: int) -> subprocess.Popen[bytes]:
    return _start(site, "manage.py", "serve", PORT=str(port), HOST="127.0.0.1")


def _python(site: RunningSite, code: str) -> subprocess.Popen[bytes]:
    return _start(site, "-c", code)


def _start(site: RunningSite, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    with (site.home / "serve.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=PROJECT,
            env=site.environment | environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
            # As a shell does for what it puts in the background.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        )


def _output(site: RunningSite) -> bytes:
    return (site.home / "serve.log").read_bytes()


def _wait_for_end(site: RunningSite, seconds: float = 180) -> None:
    """Wait until none of a site's processes is left; name those that are."""
    try:
        wait_for(lambda: not _processes_of(site), "the end of every process", seconds)
    except AssertionError as error:
        left = _processes_of(site)
        described = "\n".join(map(_describe, left))
        for process in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        raise AssertionError(f"{error}; left were\n{described}") from None


def _describe(process: int) -> str:
    folder = Path(f"/proc/{process}")
    with contextlib.suppress(OSError):
        line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        kept = ("State:", "PPid:", "Threads:", "SigPnd:", "ShdPnd:", "SigCgt:")
        status = (folder / "status").read_text().splitlines()
        waits = (folder / "wchan").read_text()
        return f"{process} {line}: {', '.join(s for s in status if s.startswith(kept))}, in {waits}"
    return f"{process} ended meanwhile"


def _processes_of(site: RunningSite) -> list[int]:
    """Return the processes that live in a site's home, by their environment."""
    found = processes_with(f"MARINEMAP_HOME={site.home}")
    return [process for process in found if process != os.getpid()]


@one_database
@pytest.mark.parametrize("switch", ["1", "0"])
def test_threads_of_the_web_server_share_a_processor_and_its_children_none(
    make_site: MakeSite, switch: str
) -> None:
    if len(os.sched_getaffinity(0)) == 1:
        pytest.skip("there is one processor")
    site = make_site(MARINEMAP_WEB_ONE_PROCESSOR=switch)
    site.start_web()
    web, all_there_are = site.pid("web"), os.sched_getaffinity(0)
    own = os.sched_getaffinity(web)
    assert len(own) == (1 if switch == "1" else len(all_there_are))
    # Libraries have threads besides, which run no Python.
    threads = [int(each.name) for each in Path(f"/proc/{web}/task").iterdir()]
    assert [_processors_of(each) for each in threads].count(own) > ServerLimits.threads
    # The server of forks; one that looks at a request comes and goes.
    children = wait_for(lambda: children_of(web), "a child of the web server")
    assert {frozenset(_processors_of(each) or all_there_are) for each in children} == {
        frozenset(all_there_are)
    }


def _processors_of(thread: int) -> set[int] | None:
    """Return where a thread or process may run; None if it has ended."""
    with contextlib.suppress(ProcessLookupError):
        return os.sched_getaffinity(thread)
    return None
