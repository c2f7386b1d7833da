"""``manage.py web``: the web server alone, for a service manager or a proxy in front."""

from __future__ import annotations

import logging
import os
import signal
from pathlib import Path
from typing import Any

from celery import current_app
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from marinemap.api.charsets import AllInUtf8
from marinemap.api.kept import KeptAnswers
from marinemap.api.mute import WhileMute, limit_waits
from marinemap.errors import ServiceError
from marinemap.jobs.health import keep_a_connection
from marinemap.jobs.watch import stand_in
from marinemap.management.commands.serve import checked_port
from marinemap.processes.apart import warm_up
from marinemap.processes.registry import all_processes
from marinemap.webserver import (
    create_server,
    most_connections,
    open_listener,
    stay_on_one_processor,
)
from marinemap.webserver_channel import ServerLimits

_STOP_WITHIN_SECONDS = 15


class Command(BaseCommand):
    """Serve the site over HTTP until told to stop."""

    help = "Run the web server. Worker and schedule: `manage.py celeryd -B`; all: `serve`."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options; the environment's HOST and PORT are their defaults."""
        parser.add_argument("--host", default=os.environ.get("HOST") or "127.0.0.1")
        parser.add_argument("--port", default=os.environ.get("PORT") or "8000")

    def handle(self, *args: Any, **options: Any) -> None:
        """Listen, and answer until SIGTERM or SIGINT; running requests have five seconds."""
        port = checked_port(options["port"])
        # Until it serves there is nothing to put down.
        _on_end(signal.SIG_DFL)
        collect_static()
        # Only now: it looks once which static files there are.
        application = WhileMute(KeptAnswers(AllInUtf8(get_wsgi_application())))
        limit_waits()
        keep_a_connection()
        _warm_up()
        # A busy moment is no news.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        listener = _listener(options["host"], port)
        stand_in()
        if settings.MARINEMAP_WEB_ONE_PROCESSOR:
            stay_on_one_processor()
        server = create_server(
            application,
            listener,
            is_behind_proxy=settings.SECURE_PROXY_SSL_HEADER is not None,
            limits=ServerLimits(connections=_connections()),
        )
        _on_end(lambda *_: _stop(server))
        server.run()


def _on_end(handler: Any) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


def _stop(server: Any) -> None:
    # Whatever a request or a library is at then, the kernel ends this process.
    signal.alarm(_STOP_WITHIN_SECONDS)
    server.stop()


def collect_static() -> None:
    """Collect the static files under their fingerprinted names, if any has changed since."""
    found = [storage.path(name) for finder in get_finders() for name, storage in finder.list([])]
    described = "\n".join(
        f"{path} {status.st_size} {status.st_mtime_ns}"
        for path, status in ((path, os.stat(path)) for path in sorted(found))
    )
    mark = Path(settings.STATIC_ROOT) / ".collected"
    if not mark.exists() or mark.read_text() != described:
        call_command("collectstatic", interactive=False, verbosity=0)
        mark.write_text(described)


def _warm_up() -> None:
    """Import now what the first request would have to wait for."""
    assert get_resolver().url_patterns and all_processes()
    warm_up()
    assert current_app.backend and current_app.connection_for_write().get_transport_cls()


def _connections() -> int:
    try:
        return most_connections(ServerLimits.connections, settings.MARINEMAP_MAX_STREAMS)
    except ServiceError as error:
        raise CommandError(str(error)) from error


def _listener(host: str, port: int) -> Any:
    try:
        return open_listener(host, port)
    except OSError as error:
        raise CommandError(f"cannot listen on {host}:{port}: {error.strerror}") from error
