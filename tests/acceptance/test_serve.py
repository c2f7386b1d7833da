"""``make run``'s last step, and its first: everything starts together and stops together."""

from __future__ import annotations

import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.postgresql import free_port
from tests.running_site import PROJECT, RunningSite, wait_for

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
    # Web server, its worker, Celery's worker, its child, and beat.
    assert len(_processes_of(site)) >= 5
    serve.send_signal(number)
    serve.wait(60)
    wait_for(lambda: not _processes_of(site), "the end of every process")


@one_database
def test_port_that_is_taken_is_told_in_one_line(make_site: MakeSite) -> None:
    site = make_site()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        serve = _serve(site, port)
        assert serve.wait(60) != 0
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
    wait_for(lambda: len(_children(worker)) >= 2, "the worker's children")
    web = set(_processes_of(site)) - {worker, *_children(worker)}
    os.kill(site.pid("worker"), signal.SIGKILL)
    wait_for(lambda: set(_processes_of(site)) <= web, "the end of the worker's children")


def _children(parent: int) -> list[int]:
    # A child belongs to the thread that started it.
    listed = Path(f"/proc/{parent}/task").glob("*/children")
    return [int(child) for children in listed for child in children.read_text().split()]


def _serve(site: RunningSite, port: int) -> subprocess.Popen[bytes]:
    with (site.home / "serve.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "manage.py", "serve"],
            cwd=PROJECT,
            env=site.environment | {"PORT": str(port), "HOST": "127.0.0.1"},
            stdout=log,
            stderr=log,
            start_new_session=True,
            # As a shell does for what it puts in the background.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        )


def _output(site: RunningSite) -> bytes:
    return (site.home / "serve.log").read_bytes()


def _processes_of(site: RunningSite) -> list[int]:
    """Return the processes that live in a site's home, by their environment."""
    mark = f"MARINEMAP_HOME={site.home}\0".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes() and int(folder.name) != os.getpid():
                found.append(int(folder.name))
        except OSError:
            continue  # It ended meanwhile, or is another user's.
    return found
