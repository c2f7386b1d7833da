"""``manage.py beside``: another command, in a process that belongs to the one that started it."""

from __future__ import annotations

import contextlib
import os
import sys
from argparse import REMAINDER
from typing import Any

from django.core.management import execute_from_command_line
from django.core.management.base import BaseCommand, CommandParser

from marinemap.jobs.belonging import belong_to

# Whatever else wants the processor has it first; short of memory the kernel takes this one.
_NICENESS = 19
_FIRST_TO_GO = "1000"


class Command(BaseCommand):
    """Run a command until it ends, or until its owner does."""

    help = "How the service starts a process beside another, to end with it; not for people."
    # The command itself has its own.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare whose the process is, and what it runs."""
        parser.add_argument("--owner", type=int, required=True, help="the parent's process id")
        parser.add_argument("--behind-others", action="store_true", help="let all others go first")
        parser.add_argument("line", nargs=REMAINDER, help="the command with its options")

    def handle(self, *args: Any, **options: Any) -> None:
        """Belong to the owner, and be the command."""
        belong_to(options["owner"])
        if options["behind_others"]:
            _step_back()
        execute_from_command_line([sys.argv[0], *options["line"]])


def _step_back() -> None:
    # Not where a filter of system calls forbids it.
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write(_FIRST_TO_GO)
