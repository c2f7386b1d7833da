"""How a record is written: as a line of text, or as a line of JSON for machines."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime

from marinemap.logs import request_id
from marinemap.logs.quiet import told_of

TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
# A link to a result has its key in its address: whoever reads the log would have the files.
_KEY = re.compile(r"(?<=/shared/)[\w-]{43}")
# What Celery's own formats add to a record.
_OF_TASKS = ("task_id", "task_name")


class TextFormatter(logging.Formatter):
    """A line of text, by any format, with the id of the request at its end.

    Parameters
    ----------
    inner : logging.Formatter, optional
        Writes the line; by default as the project's processes do.
    """

    def __init__(self, inner: logging.Formatter | None = None) -> None:
        super().__init__()
        self._inner = inner or logging.Formatter(TEXT)

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        told = told_of(record)
        line = without_keys(self._inner.format(told))
        number = request_id.current()
        if not number:
            return line
        first, new_line, rest = line.partition("\n")
        return f"{first} [request {number}]{new_line}{rest}"


class JsonFormatter(logging.Formatter):
    """An object on a line of its own: time, level, logger, message, request and task."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
        told = told_of(record)
        written = {
            "time": datetime.fromtimestamp(told.created, UTC).isoformat(timespec="milliseconds"),
            "level": told.levelname,
            "logger": told.name,
            "message": without_keys(told.getMessage()),
            "process": told.process,
            "request_id": request_id.current(),
            **{name: getattr(told, name, "") for name in _OF_TASKS},
            "error": without_keys(self.formatException(told.exc_info)) if told.exc_info else "",
        }
        shown = {name: value for name, value in written.items() if value not in ("", "???", None)}
        return json.dumps(shown, ensure_ascii=False, default=str)


def without_keys(text: str) -> str:
    """Return a text without the keys that stand in addresses.

    >>> without_keys("Not Found: /api/shared/" + 43 * "x")
    'Not Found: /api/shared/...'
    """
    return _KEY.sub("...", text)
