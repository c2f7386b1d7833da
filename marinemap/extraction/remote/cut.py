"""A connection that is cut off where what is done with it takes too long."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from threading import Event, Timer


@contextmanager
def cut_after(seconds: float, connection: HTTPConnection) -> Iterator[None]:
    """Cut a connection off if what is done with it takes longer.

    A server that sends the beginning of its answer letter by letter is never silent.

    Raises
    ------
    TimeoutError
        If it did.
    """
    if connection.sock is None:
        connection.connect()
    is_late = Event()
    watch = Timer(seconds, _cut, [connection.sock, is_late])
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()
    if is_late.is_set():
        # To Python the cut is the end of the headers.
        raise TimeoutError("too slow")


def _cut(connected: socket.socket, is_late: Event) -> None:
    is_late.set()
    # It may just have ended by itself.
    with suppress(OSError):
        # Of TLS as well: the farewell of the protocol would wait for the other side.
        socket.socket.shutdown(connected, socket.SHUT_RDWR)
