"""Every process of the service: each module of this room that holds a ``PROCESS``."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

import marinemap.processes
from marinemap.errors import RequestError, ServiceError, did_you_mean
from marinemap.processes.process import Process
from marinemap.sentences import say


class NoSuchProcessError(RequestError):
    """The service has no process of that id."""


@cache
def all_processes() -> dict[str, Process]:
    """Return the processes by id; a new one is one new file in this room.

    Raises
    ------
    ServiceError
        If one could not be served, or two have the same id.
    """
    found: dict[str, Process] = {}
    for module in pkgutil.iter_modules(marinemap.processes.__path__, "marinemap.processes."):
        process = getattr(importlib.import_module(module.name), "PROCESS", None)
        if isinstance(process, Process):
            if process.id in found:
                raise ServiceError(f"two processes are called '{process.id}'", field="id")
            found[process.id] = process
    return found


def get_process(process_id: str) -> Process:
    """Return one process.

    Raises
    ------
    NoSuchProcessError
        If there is none of that id.
    """
    known = all_processes()
    if process_id not in known:
        listed = ", ".join(f"'{name}'" for name in known)
        raise NoSuchProcessError(
            say(
                "no process '{process_id}'; there are {listed}.{nearest}",
                process_id=process_id,
                listed=listed,
                nearest=did_you_mean(process_id, known),
            ),
            field="processID",
            value=process_id,
        )
    return known[process_id]
