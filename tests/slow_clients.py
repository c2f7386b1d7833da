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


@contextlib.contextmanager
def slow_clients(
    base: str, *, downloads: tuple[int, str], half_sent: int, host: str = "localhost"
) -> Iterator[list[socket.socket]]:
    """Hold so many downloads of a path unread, and so many requests half sent."""
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
    plain.settimeout(30)
    plain.connect((parts.hostname, parts.port))
    if parts.scheme != "https":
        return plain
    # What the server is, other tests ask.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(plain)


def _wait_until_answered(held: list[socket.socket]) -> None:
    deadline = time.monotonic() + 60
    waiting = set(held)
    while waiting:
        assert time.monotonic() < deadline, f"{len(waiting)} downloads did not begin"
        waiting -= set(select.select(list(waiting), [], [], 1)[0])
