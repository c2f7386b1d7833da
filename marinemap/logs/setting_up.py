"""Set the handlers of a process up, those of Celery among them."""

from __future__ import annotations

import logging
from typing import Any

from marinemap.logs import quiet
from marinemap.logs.formats import JsonFormatter, TextFormatter

FORMATS = {"text": TextFormatter, "json": JsonFormatter}

# The storage's client: of a worker with `-l DEBUG` it wrote each request with its signature.
_TALKATIVE = ("boto3", "botocore", "s3transfer", "urllib3")


def make_config(format_name: str) -> dict[str, Any]:
    """Return the project's logging for ``logging.config.dictConfig``.

    Parameters
    ----------
    format_name : str
        ``text`` or ``json``.
    """
    console = {"class": "logging.StreamHandler", "formatter": "line", "filters": ["outages"]}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": FORMATS[format_name]}},
        "filters": {"outages": {"()": lambda: quiet.outages}},
        "handlers": {"console": console},
        "loggers": {
            "marinemap": {"handlers": ["console"], "level": "INFO"},
            "django": {"handlers": ["console"], "level": "WARNING", "propagate": False},
            # Of a collector that is away: else Celery's handlers would tell it as well.
            quiet.COLLECTORS: {"handlers": ["console"], "level": "WARNING", "propagate": False},
            **{name: {"level": "WARNING"} for name in _TALKATIVE},
        },
    }


def take_over(logger: logging.Logger, format_name: str) -> None:
    """Let handlers that Celery made write as the project's do; as text in Celery's own format."""
    for handler in logger.handlers:
        if quiet.outages not in handler.filters:
            handler.addFilter(quiet.outages)
        if format_name == "json":
            handler.setFormatter(JsonFormatter())
        elif not isinstance(handler.formatter, TextFormatter):
            handler.setFormatter(TextFormatter(handler.formatter))
    if logger is logging.getLogger() and logger.handlers:
        # What it writes reaches Celery's as well: it was told twice.
        logging.getLogger("marinemap").handlers.clear()
