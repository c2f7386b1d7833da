#!/usr/bin/env python
"""Django's command line for MarineMap."""

import os
import sys

# By command: those that need the engine and the catalogue alone start in half the time so.
_SETTINGS = {"extract": "marinemap.settings_catalogue"}


def main() -> None:
    """Run one management command."""
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", _SETTINGS.get(command, "marinemap.settings"))
    try:
        from django.core.management import execute_from_command_line
    except ImportError as error:
        raise SystemExit(
            "Django is not installed for this Python. Run 'make run' once, then use "
            ".venv/bin/python manage.py."
        ) from error
    from django.core.exceptions import ImproperlyConfigured

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        # A mistake in the environment is one line; Django shows where it was found.
        if "--traceback" in sys.argv:
            raise
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
