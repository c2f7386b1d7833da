#!/usr/bin/env python
"""Django's command line for MarineMap."""

import importlib
import os
import re
import select
import signal
import sys

# By command: those that need the engine and the catalogue alone start in half the time so.
_SETTINGS = {"extract": "marinemap.settings_catalogue"}


def main() -> None:
    """Run one management command."""
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", _SETTINGS.get(command, "marinemap.settings"))
    # numpy starts a thread a core for linear algebra, of which there is none here: to start them
    # takes a third as long as to import all libraries of the engine.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from django.core.exceptions import ImproperlyConfigured
    except ImportError as error:
        raise SystemExit(
            "Django is not installed for this Python. Run 'make run' once, then use "
            ".venv/bin/python manage.py."
        ) from error
    try:
        if command != "extract" or not _extracts_alone(sys.argv[2:]):
            _run_django()
        sys.stdout.flush()
    except BrokenPipeError:
        _end_if_nobody_reads()
        raise
    except ImproperlyConfigured as error:
        # A mistake in the environment is one line; Django shows where it was found.
        if "--traceback" in sys.argv:
            raise
        raise SystemExit(str(error)) from None


def _end_if_nobody_reads() -> None:
    """End as others do whose reader has gone (``| head``), where it is that pipe which broke."""
    output = sys.stdout.fileno()
    poll = select.poll()
    poll.register(output, 0)
    if any(event & select.POLLERR for _, event in poll.poll(0)):
        # What is left is written at the end of the process.
        os.dup2(os.open(os.devnull, os.O_WRONLY), output)
        raise SystemExit(128 + signal.SIGPIPE)


def _extracts_alone(arguments: list[str]) -> bool:
    """Run ``extract`` without Django; tell whether it was: what is unusual Django tells about.

    Django, which an extract does not need, takes longer to start than a small one to make.
    """
    from marinemap.errors import MarineMapError
    from marinemap.extraction.shell import command_line
    from marinemap.extraction.shell import options as command_options

    options = command_line.read_options(arguments)
    if options is None:
        return False
    # A mistake in the environment is told whatever is run.
    settings = importlib.import_module(os.environ["DJANGO_SETTINGS_MODULE"])
    try:
        if command_options.is_file(options["source"]):
            source = command_options.read_file(options)
        elif (source := _layer_of_catalogue(options, settings)) is None:
            return False
        command_line.run(options, source, print)
    except MarineMapError as error:
        raise SystemExit(f"CommandError: {error.in_full}") from None
    return True


def _layer_of_catalogue(options, settings):
    from marinemap.catalogue.plain import find_source

    is_plain = options["layer"] is None
    return find_source(settings.DATABASES["default"], options["source"]) if is_plain else None


def _run_django() -> None:
    from django.core.management import execute_from_command_line
    from django.db import DatabaseError

    try:
        execute_from_command_line(sys.argv)
    except DatabaseError as error:
        # What an administrator can mend is told as such; the rest may be a fault of ours.
        if "--traceback" in sys.argv or (words := _in_words(error)) is None:
            raise
        raise SystemExit(words) from None


def _in_words(error: Exception) -> str | None:
    """Return what is wrong with the database, where it is its state and no command of ours."""
    told = " ".join(str(error).split())
    if re.search(r"no such (table|column)|(relation|column) .* does not exist", told):
        return f"The database lacks what this version needs ({told}). Run: manage.py migrate"
    if re.search(r"connection|unable to open|locked|readonly|read-only|not a database", told):
        return (
            f"The database cannot be used: {told}. It is the one that DATABASE_URL names, else "
            "marinemap.sqlite3 in MARINEMAP_HOME."
        )
    return None


if __name__ == "__main__":
    main()
