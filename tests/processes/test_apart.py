"""What is dear to look at is looked at apart, and ends there."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from marinemap.errors import RequestError, UnavailableError
from marinemap.processes import apart
from marinemap.processes.apart import call_apart
from tests.running_site import wait_for


@pytest.fixture(autouse=True)
def patient(settings: Any) -> None:
    """A minute for each call: a busy machine is no fault."""
    settings.MARINEMAP_LOOK_SECONDS = 60


def double(number: int) -> int:
    """Return twice a number."""
    return 2 * number


def refuse() -> None:
    """Raise what a user is told."""
    raise RequestError("too tangled", field="area", value="x", hint="Untangle it.")


def ask_for_more() -> tuple[int, int]:
    """Return the seconds of processor time that are left once more were asked for."""
    apart._limit(60)
    return resource.getrlimit(resource.RLIMIT_CPU)


def hang_in_c() -> None:
    """Hold the interpreter in one call that heeds no signal handler."""
    sum(range(10**12))


def take_all_memory() -> int:
    """Ask for more memory than there may be."""
    return len(bytearray(3_000_000_000))


def die() -> None:
    """End as a fault in a library does."""
    os.kill(os.getpid(), signal.SIGSEGV)


def tell_pid_and_hang(path: str) -> None:
    """Tell the process, then take forever."""
    with open(path, "w") as file:
        file.write(str(os.getpid()))
    threading.Event().wait()


def test_result_comes_back() -> None:
    assert call_apart(double, 21) == 42


def test_users_error_comes_back_whole() -> None:
    with pytest.raises(RequestError, match="area: too tangled") as caught:
        call_apart(refuse)
    assert (caught.value.field, caught.value.hint) == ("area", "Untangle it.")


@pytest.mark.parametrize("function", [hang_in_c, take_all_memory, die])
def test_what_takes_too_much_is_refused_in_words(function: Any, settings: Any) -> None:
    call_apart(double, 1)
    settings.MARINEMAP_LOOK_SECONDS = 2
    with pytest.raises(RequestError, match="looking at this request takes"):
        call_apart(function)
    settings.MARINEMAP_LOOK_SECONDS = 60
    assert call_apart(double, 1) == 2


def test_bug_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(RuntimeError, match="the log has it"):
        call_apart(double)
    assert "TypeError" in caplog.text


def test_child_is_killed_when_its_time_is_over(tmp_path: Any, settings: Any) -> None:
    settings.MARINEMAP_LOOK_SECONDS = 5
    path = tmp_path / "pid"
    with pytest.raises(UnavailableError, match="waiting for its data"):
        call_apart(tell_pid_and_hang, str(path))
    with pytest.raises(ProcessLookupError):
        os.kill(int(path.read_text()), 0)


@pytest.fixture
def held(tmp_path: Path) -> Iterator[list[threading.Thread]]:
    """Have as many calls run and wait as are let in."""
    go = tmp_path / "go"
    threads = [threading.Thread(target=_wait_apart, args=[str(go)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    # Those that wait for their turn do so for five seconds.
    wait_for(lambda: apart._admitted._value == 0, "that all are let in")
    yield threads
    go.touch()
    for thread in threads:
        thread.join()


def _wait_apart(go: str) -> None:
    with contextlib.suppress(UnavailableError):
        call_apart(wait_to_go, go)


def wait_to_go(path: str) -> None:
    """Wait until a file is there."""
    while not os.path.exists(path):
        threading.Event().wait(0.02)


def test_one_more_than_may_wait_is_told_to_come_again(held: list[threading.Thread]) -> None:
    with pytest.raises(UnavailableError, match="just now"):
        call_apart(double, 1)
    # At once: none of those that wait for their turn has given up.
    assert all(thread.is_alive() for thread in held)


def test_killed_caller_leaves_no_process(tmp_path: Path) -> None:
    mark = f"MARK={tmp_path}"
    code = (
        "import django, time; django.setup()\n"
        "from marinemap.processes.apart import call_apart\n"
        "call_apart(time.sleep, 50)\n"
    )
    environment = {**os.environ, "MARK": str(tmp_path), "MARINEMAP_LOOK_SECONDS": "3"}
    environment["DJANGO_SETTINGS_MODULE"] = "marinemap.settings"
    with subprocess.Popen([sys.executable, "-c", code], env=environment) as caller:
        # Itself, the tracker of resources, the server of forks and the fork that sleeps.
        wait_for(lambda: len(_marked(mark)) >= 4, "the fork")
        caller.kill()
    wait_for(lambda: not _marked(mark), "the end of all")


def _marked(mark: str) -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(folder.name)
    return found


def test_lower_limits_of_the_site_stand(settings: Any) -> None:
    """Only root may raise them: for any other user no larger area could be looked at."""
    settings.MARINEMAP_LOOK_SECONDS = 30
    assert call_apart(ask_for_more) == (31, 31)
