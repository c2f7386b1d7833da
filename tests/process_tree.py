"""Processes of others, as /proc has them: any of them may end while it is looked at."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")


def children_of(process: int) -> list[int]:
    """Return the processes that a process has started and that have not ended."""
    # A child belongs to the thread that started it.
    listed = [_read(task / "children") for task in _tasks_of(process)]
    return [int(child) for children in listed for child in children.split()]


def command_of(process: int) -> bytes:
    """Return the command line of a process, its parts ended by zeros; nothing if it has ended."""
    return _read(_PROC / str(process) / "cmdline")


def stands_still(process: int) -> bool:
    """Tell whether each thread of a process is stopped: a signal alone lets a system call end."""
    states = [_read(task / "stat").rpartition(b")")[2][1:2] for task in _tasks_of(process)]
    return all(state in (b"T", b"t", b"") for state in states)


def processes_with(variable: str) -> list[int]:
    """Return the processes that have a variable in their environment, as ``NAME=value``."""
    mark = variable.encode()
    return [
        int(folder.name)
        for folder in _PROC.glob("[0-9]*")
        if mark in _read(folder / "environ").split(b"\0")
    ]


def _tasks_of(process: int) -> list[Path]:
    return _listed(_PROC / str(process) / "task")


def _listed(folder: Path) -> list[Path]:
    with suppress(OSError):
        return list(folder.iterdir())
    return []


def _read(file: Path) -> bytes:
    # Another user's may not be read either.
    with suppress(OSError):
        return file.read_bytes()
    return b""
