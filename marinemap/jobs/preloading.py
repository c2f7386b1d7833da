"""What runs may import, loaded when a worker starts.

An upgrade replaces the files beneath a worker that still finishes its job: what it imported only
then would be of another version than what it has.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
import re
from typing import Any

from celery.signals import worker_init

logger = logging.getLogger(__name__)

_ROOMS = ("extraction", "catalogue", "processes", "mail", "tasks", "jobs")
# Command lines, and what begins processes of their own.
_OTHERS = re.compile(r"\.(management|migrations|shell|preloaded|upload_child|layers_child)\b")


@worker_init.connect
def load_rooms(**_: Any) -> None:
    """Import all modules that a run may need, before the worker forks its processes."""
    for room in _ROOMS:
        _load(f"marinemap.{room}")


def _load(name: str) -> None:
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, f"{name}."):
        if _OTHERS.search(module.name):
            continue
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("marinemap"):
                raise
            # A library that this site was not given (pip install '.[s3]') is asked for by its use.
            logger.debug("%s is not loaded: %s", module.name, error)
