"""Call a function in a process of its own, with limits: what a stranger sends may cost no more.

Geometry that is dear to look at runs in C and can be stopped in one way only: by the end of its
process. A server of forks keeps the libraries loaded, so that one more takes milliseconds.
"""

from __future__ import annotations

import ctypes
import logging
import math
import multiprocessing
import os
import resource
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings

from marinemap.errors import MarineMapError, RequestError, UnavailableError
from marinemap.sentences import say

logger = logging.getLogger(__name__)
T = TypeVar("T")

# So many at a time ...
_AT_A_TIME = 2
# ... and others wait so long, which holds a thread of the web server meanwhile: ...
_WAIT_SECONDS = 5
# ... so many at most, for most threads belong to whoever asks for something cheap.
_MOST_WAITING = 2
_MEMORY_BYTES = 1_000_000_000
# An area of so few numbers takes milliseconds even where it is as tangled as can be.
_SMALL_VALUES = 2_000
_SMALL_TEXT = 20_000
# Who has had less of the processor than this part of its time was waiting.
_SHARE_OF_WORK = 0.1
_PR_SET_PDEATHSIG = 1

_running = threading.Semaphore(_AT_A_TIME)
_admitted = threading.Semaphore(_AT_A_TIME + _MOST_WAITING)


def call_apart(function: Callable[..., T], *arguments: Any) -> T:
    """Call a function in a process that is killed when its time is over.

    Parameters
    ----------
    function : callable
        Of a module; it, its arguments and what it returns are pickled.

    Raises
    ------
    RequestError
        If it took more time (``MARINEMAP_LOOK_SECONDS``) or memory than one request may.
    UnavailableError
        If others are being looked at and it was not its turn in time, or its time went by while it
        waited for its data.
    MarineMapError
        What the function raises.
    """
    seconds = float(settings.MARINEMAP_LOOK_SECONDS)
    with _turn():
        ours, theirs = multiprocessing.Pipe(duplex=False)
        process = _forks().Process(
            target=_serve, args=(theirs, function, arguments, seconds), daemon=True
        )
        try:
            process.start()
            theirs.close()
            answer = _listen(ours, process.pid, seconds)
        finally:
            process.kill()
            process.join()
            ours.close()
    if isinstance(answer, MarineMapError):
        raise answer
    result: T = _unpack(answer)
    return result


def is_small(inputs: Any) -> bool:
    """Tell whether inputs are small enough to be looked at within the server's own process."""
    waiting, seen = [inputs], 0
    while waiting:
        value = waiting.pop()
        seen += 1
        if seen > _SMALL_VALUES or isinstance(value, str) and len(value) > _SMALL_TEXT:
            return False
        if isinstance(value, Mapping):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value[: _SMALL_VALUES + 1]
    return True


def end_with_parent(number: signal.Signals) -> None:
    """Ask the kernel for a signal to this process when its parent ends (Linux; prctl(2))."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)


def warm_up() -> None:
    """Start the server of forks, so that the first request need not wait for it."""
    call_apart(_nothing)


def _nothing() -> None:
    """Return at once."""


@contextmanager
def _turn() -> Iterator[None]:
    if not _admitted.acquire(blocking=False):
        raise _busy()
    try:
        if not _running.acquire(timeout=_WAIT_SECONDS):
            raise _busy()
        try:
            yield
        finally:
            _running.release()
    finally:
        _admitted.release()


def _busy() -> UnavailableError:
    return UnavailableError(
        say("many requests are being looked at just now"), hint=say("Try again in a few seconds.")
    )


def _forks() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([f"{__package__}.preloaded"])
    return context


def _listen(ours: Connection, pid: int, seconds: float) -> Any:
    if not ours.poll(seconds):
        return _too_slow(pid, seconds)
    try:
        return ours.recv()
    except EOFError:
        # The kernel or a library ended it, for it went beyond a limit.
        return _too_dear(say("takes more memory or time than one request may"))


def _too_slow(pid: int, seconds: float) -> MarineMapError:
    """Tell what is dear from what has hardly run: its data or the machine let it wait."""
    if _processor_seconds(pid) > _SHARE_OF_WORK * seconds:
        return _too_dear(
            say("takes longer than the {seconds:g} s that one request may", seconds=seconds)
        )
    return UnavailableError(
        say(
            "looking at this request took longer than {seconds:g} s, most of them "
            "waiting for its data or for a busy machine",
            seconds=seconds,
        ),
        hint=say("Try again in a minute."),
    )


def _processor_seconds(pid: int) -> float:
    """Return what a process has taken so far, with its threads (proc_pid_stat(5))."""
    try:
        # The name may hold blanks; it stands in brackets.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return math.inf
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def _too_dear(what: str) -> RequestError:
    return RequestError(
        say("looking at this request {what}", what=what),
        field="area",
        hint=say("Give the area fewer corners, or ask for fewer layers at a time."),
    )


def _unpack(answer: Any) -> Any:
    is_done, value = answer
    if is_done:
        return value
    logger.error("What was called apart failed:\n%s", value)
    raise RuntimeError("what was called apart failed; the log has it")


def _serve(
    theirs: Connection, function: Callable[..., Any], arguments: tuple[Any, ...], seconds: float
) -> None:
    """Run in the child: answer a result, or what went wrong."""
    _limit(seconds)
    answer: Any
    try:
        answer = (True, function(*arguments))
    except MarineMapError as error:
        answer = error
    except MemoryError:
        return
    except Exception as error:
        answer = (False, "".join(traceback.format_exception(error)))
    theirs.send(answer)


def _limit(seconds: float) -> None:
    """Take care that it ends, and stays within its memory, whatever becomes of the server."""
    end_with_parent(signal.SIGKILL)
    # Of its own, beyond what the libraries have mapped already.
    with open("/proc/self/statm") as file:
        mapped = int(file.read().split()[0]) * resource.getpagesize()
    _lower(resource.RLIMIT_AS, mapped + _MEMORY_BYTES)
    _lower(resource.RLIMIT_CPU, int(seconds) + 1)
    _lower(resource.RLIMIT_CORE, 0)
    # Of wall clock: it holds the server of forks open, which would wait for it.
    signal.alarm(int(seconds) + 2)


def _lower(kind: int, most: int) -> None:
    """Set a limit, where the site itself has no lower one: only root may raise that."""
    hard = resource.getrlimit(kind)[1]
    allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (allowed, allowed))
