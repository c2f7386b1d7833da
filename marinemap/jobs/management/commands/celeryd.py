"""``manage.py celeryd``: a Celery worker in the foreground, by the command line it always had."""

from __future__ import annotations

from typing import Any

from celery import current_app
from django.core.management.base import BaseCommand, CommandParser


class Command(BaseCommand):
    """Run a worker until it is told to stop."""

    help = (
        "Run a Celery worker in the foreground: celeryd -v 2 -l DEBUG -c 1 -B -E. "
        "Ctrl-C once lets running work end; twice does not wait."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options, with Celery's names and letters."""
        parser.add_argument("-l", "--loglevel", default="INFO", help="DEBUG, INFO, WARNING ...")
        parser.add_argument("-f", "--logfile", help="log here instead of to the terminal")
        parser.add_argument("-c", "--concurrency", type=int, default=1, help="work at a time")
        parser.add_argument("-P", "--pool", help="prefork, solo, threads, gevent or eventlet")
        parser.add_argument("-n", "--hostname", help="the worker's name, such as one@%%h")
        parser.add_argument("-Q", "--queues", help="serve these queues only, with commas between")
        parser.add_argument("-B", "--beat", action="store_true", help="run the schedule, too")
        parser.add_argument("-E", "--task-events", action="store_true", help="send events")
        parser.add_argument("--pidfile", help="keep the worker's process id here")

    def handle(self, *args: Any, **options: Any) -> None:
        """Hand over to Celery's worker."""
        current_app.worker_main(["worker", *_worker_arguments(options)])


def _worker_arguments(options: dict[str, Any]) -> list[str]:
    arguments = [f"--concurrency={options['concurrency']}"]
    for name in ("loglevel", "logfile", "pool", "hostname", "queues", "pidfile"):
        if options[name]:
            arguments.append(f"--{name}={options[name]}")
    for name in ("beat", "task_events"):
        if options[name]:
            arguments.append(f"--{name.replace('_', '-')}")
    return arguments
