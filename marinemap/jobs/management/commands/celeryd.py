"""``manage.py celeryd``: a Celery worker in the foreground, by the command line it always had."""

from __future__ import annotations

import logging
from argparse import SUPPRESS, ArgumentTypeError
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection

from marinemap.catalogue import moved_home
from marinemap.jobs import again, caretaker
from marinemap.logs import full_disk

_LEVELS = [name for name in logging.getLevelNamesMapping() if name != "NOTSET"]
_LEVELS_HELP = "DEBUG, INFO, WARNING ..."
_POOLS = ("prefork", "solo", "threads")
_GREEN = ("gevent", "eventlet")


class Command(BaseCommand):
    """Run a worker until it is told to stop."""

    help = (
        "Run a Celery worker in the foreground: celeryd -v 2 -l DEBUG -c 1 -B -E. "
        "Ctrl-C once lets running work end; twice does not wait."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options, with Celery's names and letters."""
        parser.add_argument(
            "-l", "--loglevel", default="INFO", type=str.upper, choices=_LEVELS, help=_LEVELS_HELP
        )
        parser.add_argument("-f", "--logfile", help="log here instead of to the terminal")
        parser.add_argument("-c", "--concurrency", type=_count, default=1, help="work at a time")
        parser.add_argument(
            "-P", "--pool", type=_pool, choices=_POOLS, help="what works: processes (prefork) ..."
        )
        parser.add_argument("-n", "--hostname", help="the worker's name, such as one@%%h")
        parser.add_argument("-Q", "--queues", help="serve these queues only, with commas between")
        parser.add_argument("-B", "--beat", action="store_true", help="follow the schedule, too")
        parser.add_argument("-E", "--task-events", action="store_true", help="send events")
        parser.add_argument("--pidfile", help="keep the worker's process id here")
        parser.add_argument(
            "--try", action="store_true", help="look at settings and options only, and end"
        )
        # How such a worker starts the process beside it, and itself anew; not for people.
        parser.add_argument("--caretaker-of", type=int, help=SUPPRESS)
        parser.add_argument(again.AGAIN, action="store_true", help=SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        """Hand over to Celery's worker; with -B start the caretaker beside it.

        Raises
        ------
        CommandError
            If the log or the pid file is to be in a folder that there is not.
        """
        full_disk.outlive_full_disk()
        for name in ("logfile", "pidfile"):
            _check_folder(name, options[name])
        if options["try"]:
            # Django has looked at the settings, the parser at the options.
            return
        shared = _arguments(options, ("loglevel", "logfile", "task_events"))
        if options["caretaker_of"]:
            caretaker.run(options["caretaker_of"], shared)
            return
        _follow_home()
        if options["beat"]:
            caretaker.begin_with_worker(shared)
        own = _arguments(options, ("concurrency", "pool", "hostname", "queues", "pidfile"))
        if options["again"] and options["pidfile"]:
            # It names this very process, and Celery would take it for another's.
            Path(options["pidfile"]).unlink(missing_ok=True)
        again.run([*own, *shared], was_ready=options["again"])


def _count(text: str) -> int:
    if not text.isdigit():
        raise ArgumentTypeError(f"'{text}' is not a count: a whole number; 0 is one a processor")
    return int(text)


def _pool(text: str) -> str:
    """Refuse pools whose patches come too late here: such a worker took jobs and ran none."""
    if text in _GREEN:
        raise ArgumentTypeError(
            f"'{text}' is for tasks that wait, and an extract computes: take prefork, solo or "
            f"threads; for tasks of your own start celery -A marinemap worker -P {text} -Q QUEUE"
        )
    return text


def _check_folder(name: str, given: str | None) -> None:
    if given and not Path(given).parent.is_dir():
        raise CommandError(f"--{name}: there is no folder {Path(given).parent}; make it first")


def _follow_home() -> None:
    """Have jobs that waited when the home was moved find their layers; the schedule does so too."""
    try:
        moved_home.follow()
    except DatabaseError:
        # It is away, or not migrated yet; Celery waits for it.
        return
    finally:
        # None is shared with children.
        connection.close()


def _arguments(options: dict[str, Any], names: Iterable[str]) -> list[str]:
    """Return options as Celery's command line has them."""
    given = {name.replace("_", "-"): options[name] for name in names if options[name]}
    return [f"--{n}" if value is True else f"--{n}={value}" for n, value in given.items()]
