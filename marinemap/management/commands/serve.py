"""``manage.py serve``: web server, worker and beat together, until Ctrl-C."""

from __future__ import annotations

import ipaddress
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from marinemap.jobs.belonging import GRACE_SECONDS, start_beside
from marinemap.webserver import open_listener

_READY_WITHIN_SECONDS = 180
_WORKER = ("-l", "INFO", "-c", "1", "-B", "-E")


class Command(BaseCommand):
    """Run everything that a site needs on one machine."""

    help = "Run web server, worker and beat together. Ctrl-C stops all of it."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options; the environment's HOST and PORT are their defaults."""
        parser.add_argument("--host", default=os.environ.get("HOST") or "127.0.0.1")
        parser.add_argument("--port", default=os.environ.get("PORT") or "8000")

    def handle(self, *args: Any, **options: Any) -> None:
        """Start both, wait until both answer, then watch them until one ends or Ctrl-C."""
        host, port = options["host"], checked_port(options["port"])
        _check_free(host, port)
        # SIGINT, too: a shell starts what it puts in the background with that one ignored.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _interrupt)
        processes: dict[str, subprocess.Popen[bytes]] = {}
        try:
            processes["web server"] = _start("web", "--host", host, "--port", str(port))
            processes["worker"] = _start("celeryd", *_WORKER)
            _wait_until_ready(host, port, processes)
            self.stdout.write(f"MarineMap is ready on http://{_shown(host)}:{port}/")
            for hint in _hints(host):
                self.stdout.write(hint)
            self.stdout.flush()
            _watch(processes)
        except KeyboardInterrupt:
            self.stdout.write("\nStopping.")
        finally:
            _stop(processes)


def _hints(host: str) -> Iterator[str]:
    """Yield what keeps people on other machines from reaching the site, with the remedy."""
    if not _is_loopback(host) and set(settings.ALLOWED_HOSTS) <= {
        "localhost",
        "127.0.0.1",
        "[::1]",
    }:
        yield "Other machines are refused: name this site in DJANGO_ALLOWED_HOSTS, with commas."
    if settings.SECURE_SSL_REDIRECT and settings.SECURE_PROXY_SSL_HEADER is None:
        yield (
            "Requests are redirected to HTTPS, which this server does not speak. Behind a proxy "
            "that does: MARINEMAP_BEHIND_PROXY=1. In a network you trust: MARINEMAP_HTTPS=0."
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _start(*command: str) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C in a terminal reaches this process only, which then stops
    # the others in order.
    return start_beside(command, start_new_session=True)


def _wait_until_ready(host: str, port: int, processes: dict[str, subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + _READY_WITHIN_SECONDS
    while not _is_healthy(host, port):
        _check_running(processes)
        if time.monotonic() > deadline:
            raise CommandError(
                f"web server and worker did not both answer within {_READY_WITHIN_SECONDS} "
                "seconds; their messages are above"
            )
        time.sleep(0.2)


def _is_healthy(host: str, port: int) -> bool:
    # A server bound to every address answers on loopback.
    target = "127.0.0.1" if host in ("0.0.0.0", "::") else _shown(host)
    # By a name that the site answers to; "*" and ".example.org" are patterns, not names.
    names = [name for name in settings.ALLOWED_HOSTS if name[0] not in "*."]
    request = urllib.request.Request(
        f"http://{target}:{port}/healthz", headers={"Host": names[0] if names else target}
    )
    try:
        with urllib.request.urlopen(request, timeout=2) as response:
            return b'"status": "ok"' in response.read()
    except (urllib.error.URLError, OSError):
        return False


def _watch(processes: dict[str, subprocess.Popen[bytes]]) -> None:
    while True:
        _check_running(processes)
        time.sleep(0.5)


def _check_running(processes: dict[str, subprocess.Popen[bytes]]) -> None:
    for name, process in processes.items():
        if process.poll() is not None:
            raise CommandError(
                f"the {name} ended with exit code {process.returncode}; its messages are above"
            )


def _stop(processes: dict[str, subprocess.Popen[bytes]]) -> None:
    for process in processes.values():
        _signal_group(process, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    for process in processes.values():
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            # A long extraction does not hold up the end: its job is queued again.
            _signal_group(process, signal.SIGKILL)
            process.wait()


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        if number == signal.SIGKILL:
            os.killpg(process.pid, number)
        elif process.poll() is None:
            process.send_signal(number)
    except ProcessLookupError:
        pass  # It ended by itself.


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def checked_port(text: object) -> int:
    """Return a port that was given as an option or as ``PORT``.

    Raises
    ------
    CommandError
        If it is none.
    """
    if not str(text).isdigit() or not 1 <= int(str(text)) <= 65535:
        raise CommandError(f"PORT: '{text}' is not a port; give a number from 1 to 65535")
    return int(str(text))


def _check_free(host: str, port: int) -> None:
    try:
        open_listener(host, port).close()
    except OSError as error:
        raise CommandError(
            f"cannot listen on {host}:{port}: {error.strerror}. "
            f"Try another port: make run PORT={port + 1 if port < 65535 else 8000}"
        ) from error


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
