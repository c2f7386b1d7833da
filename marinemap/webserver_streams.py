"""Connections that stay open after their answer: one thread looks after all of them.

A connection of waitress's is asked at every turn of its loop whether it reads or writes, and has
buffers of its own: a thousand of them would slow every request. So one that stays open leaves it,
and waits here (epoll) for what the application sends on it.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
import time
from dataclasses import dataclass

logger = logging.getLogger(__name__)

# A line of a comment (WHATWG HTML, 9.2.6): proxies give up what is silent, mostly after a minute.
_HEARTBEAT = b": \n\n"
_LOOK_EVERY_SECONDS = 1.0
_READ_BYTES = 4096
_LAST_CHUNK = b"0\r\n\r\n"


@dataclass(frozen=True)
class StreamLimits:
    """What one connection that stays open may cost.

    Parameters
    ----------
    heartbeat_seconds : float
        After so long without a word one of no meaning is sent, which finds who has gone.
    behind_seconds : float
        How long something may wait to be read by the client, before it is dropped.
    unsent_bytes : int
        How much may.
    kernel_bytes : int
        How much the kernel keeps for it besides.
    """

    heartbeat_seconds: float = 15.0
    behind_seconds: float = 30.0
    unsent_bytes: int = 64 * 1024
    kernel_bytes: int = 16 * 1024


class OpenConnection:
    """A connection on which an application sends for as long as it is open; of any thread."""

    __slots__ = ("_behind_since", "_is_chunked", "_is_ending", "_sent_at", "_socket", "_streams",
                 "_unsent")  # fmt: skip

    def __init__(self, streams: Streams, connected: socket.socket, is_chunked: bool) -> None:
        self._streams = streams
        self._socket: socket.socket | None = connected
        self._is_chunked = is_chunked
        self._is_ending = False
        self._unsent = b""
        self._behind_since: float | None = None
        self._sent_at = time.monotonic()

    @property
    def is_open(self) -> bool:
        """Whether the client is there, as far as is known."""
        return self._socket is not None and not self._is_ending

    @property
    def is_behind(self) -> bool:
        """Whether the client has not read yet what was sent."""
        return bool(self._unsent)

    def send(self, content: bytes) -> None:
        """Send some bytes; nothing happens where the client has gone."""
        with self._streams.lock:
            if self.is_open:
                self._send(content)

    def end(self) -> None:
        """Close when all is sent."""
        with self._streams.lock:
            if not self.is_open:
                return
            if self._is_chunked:
                self._unsent += _LAST_CHUNK
            self._is_ending = True
            self._flush()

    def _send(self, content: bytes) -> None:
        head, tail = (b"%X\r\n" % len(content), b"\r\n") if self._is_chunked else (b"", b"")
        self._unsent += head + content + tail
        self._sent_at = time.monotonic()
        self._flush()
        if len(self._unsent) > self._streams.limits.unsent_bytes:
            self._drop()

    def _flush(self) -> None:
        """Send what the kernel takes; the rest goes when the client has read some."""
        if self._socket is None:
            return
        try:
            while self._unsent:
                self._unsent = self._unsent[self._socket.send(self._unsent) :]
        except BlockingIOError:
            self._behind_since = self._behind_since or time.monotonic()
        except OSError:
            self._drop()
            return
        if not self._unsent:
            self._behind_since = None
        if self._is_ending and not self._unsent:
            self._drop()
        else:
            self._streams.watch(self._socket, is_behind=bool(self._unsent))

    def _heard(self, events: int) -> None:
        """Look after what the kernel told: room to send, or the end of the connection."""
        if events & ~select.EPOLLOUT:
            # Its end; or something is said, by who was told that this is the last answer here.
            self._drop()
        else:
            self._flush()

    def _look_after(self, now: float) -> None:
        limits = self._streams.limits
        if self._behind_since is not None and now - self._behind_since > limits.behind_seconds:
            self._drop()
        elif not self._unsent and now - self._sent_at >= limits.heartbeat_seconds:
            self._send(_HEARTBEAT)

    def _drop(self) -> None:
        connected, self._socket, self._unsent = self._socket, None, b""
        if connected is not None:
            self._streams.forget(connected)
            with contextlib.suppress(OSError):
                connected.close()


class Streams:
    """All connections that stay open. Its thread is there while there are any."""

    def __init__(self, limits: StreamLimits | None = None) -> None:
        self.limits = limits or StreamLimits()
        # Of every connection here, too: what is done under it never waits for anything.
        self.lock = threading.RLock()
        self._epoll = select.epoll()
        self._open: dict[int, OpenConnection] = {}
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        return len(self._open)

    def adopt(self, connected: socket.socket, is_chunked: bool) -> OpenConnection:
        """Take a connection over, to be closed here.

        Parameters
        ----------
        connected : socket
        is_chunked : bool
            Whether what is sent goes in chunks (RFC 9112, 7.1); else its end is the answer's.
        """
        connected.setblocking(False)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.limits.kernel_bytes)
        if connected.family != socket.AF_UNIX:
            # A machine that was switched off acknowledges nothing, and says nothing.
            milliseconds = int(1000 * self.limits.behind_seconds)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
        connection = OpenConnection(self, connected, is_chunked)
        with self.lock:
            self._open[connected.fileno()] = connection
            self._epoll.register(connected, select.EPOLLIN | select.EPOLLRDHUP)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="streams", daemon=True)
                self._thread.start()
        return connection

    def end_all(self) -> None:
        """Close every connection when all is sent; clients come back by themselves."""
        with self.lock:
            for connection in list(self._open.values()):
                connection.end()

    def watch(self, connected: socket.socket, *, is_behind: bool) -> None:
        """Have the kernel tell when a connection ends, and when it takes more."""
        wanted = select.EPOLLIN | select.EPOLLRDHUP | (select.EPOLLOUT if is_behind else 0)
        self._epoll.modify(connected, wanted)

    def forget(self, connected: socket.socket) -> None:
        """Look after a connection no more."""
        self._open.pop(connected.fileno(), None)
        with contextlib.suppress(OSError):
            self._epoll.unregister(connected)

    def _run(self) -> None:
        looked_at = time.monotonic()
        while True:
            events = self._epoll.poll(_LOOK_EVERY_SECONDS)
            with self.lock:
                for number, flags in events:
                    # It may have gone a moment ago.
                    if connection := self._open.get(number):
                        connection._heard(flags)
                now = time.monotonic()
                if now - looked_at >= _LOOK_EVERY_SECONDS:
                    looked_at = now
                    for connection in list(self._open.values()):
                        connection._look_after(now)
                if not self._open:
                    self._thread = None
                    return
