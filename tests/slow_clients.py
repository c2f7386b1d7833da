"""People whose connection hardly moves: unread downloads and half-sent requests."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import requests

_BODY_BYTES = 100_000

# A job that is done, made as the lifecycle would, with a result larger than any buffer.
MAKE_JOB = """
import os
from datetime import timedelta
from django.utils import timezone
from marinemap.jobs.artifacts import artifact_path
from marinemap.jobs.models import Job
now = timezone.now()
job = Job.objects.create(
    process_id="extract", owner="browser:nobody", is_owner_known=False, attempt=1,
    status="successful", progress=100, media_type="application/zip", file_name="extract.zip",
    finished_at=now, expires_at=now + timedelta(days=1),
)
path = artifact_path(job)
path.write_bytes(os.urandom(1 << 20) * 16)
job.artifact, job.artifact_bytes = path.name, path.stat().st_size
job.save()
print(job.pk)
"""
RESULT_BYTES = 16 << 20


# Who the server is, other tests ask.
_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_TLS.check_hostname, _TLS.verify_mode = False, ssl.CERT_NONE


@contextlib.contextmanager
def slow_clients(
    base: str, *, downloads: tuple[int, str], half_sent: int, host: str = "localhost"
) -> Iterator[list[socket.socket]]:
    """Hold so many downloads of a path unread, and so many requests half sent.

    Of the latter twice as many: some amid their body, some amid their header.
    """
    count, path = downloads
    held: list[socket.socket] = []
    try:
        for _ in range(count):
            held.append(_connect(base))
            held[-1].sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        _wait_until_answered(held)
        head = (
            f"POST /api/processes/echo/execution HTTP/1.1\r\nHost: {host}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {_BODY_BYTES}\r\n\r\n"
        )
        for _ in range(half_sent):
            held.append(_connect(base))
            held[-1].sendall(head.encode() + b" " * (_BODY_BYTES // 2))
        for _ in range(half_sent):
            held.append(_connect(base))
            held[-1].sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nX-Half: ".encode())
        yield held
    finally:
        for connection in held:
            connection.close()


def slowest_answer_seconds(ask: Callable[[], requests.Response], times: int = 3) -> float:
    """Ask several times; return how long the slowest answer took, each of which has to be good."""
    slowest = 0.0
    for _ in range(times):
        begun = time.monotonic()
        answer = ask()
        slowest = max(slowest, time.monotonic() - begun)
        assert answer.status_code in (200, 201), answer.text
    return slowest


def _connect(base: str) -> socket.socket:
    parts = urlsplit(base)
    # So small a window that a few packets of the answer fill it.
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.settimeout(120)
    plain.connect((parts.hostname, parts.port))
    if parts.scheme != "https":
        return plain
    return _TLS.wrap_socket(plain)


def _wait_until_answered(held: list[socket.socket]) -> None:
    deadline = time.monotonic() + 180
    waiting = set(held)
    while waiting:
        assert time.monotonic() < deadline, f"{len(waiting)} downloads did not begin"
        waiting -= set(select.select(list(waiting), [], [], 1)[0])
