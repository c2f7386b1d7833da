"""One connection of the web server: how its requests arrive, and how answers leave.

What waitress leaves open: how long a request may take to arrive, answers to HEAD, two lengths of
one body, and the end of a connection whose request was refused before all of it was read.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.task import WSGITask

from marinemap.webserver_problems import LATE, ProblemTask, RequestTimeout
from marinemap.webserver_streams import OpenConnection

logger = logging.getLogger(__name__)

# A fast reader of a large file must not keep the loop from all others: so much a turn ...
_SENT_A_TURN_BYTES = 1 << 20
# ... in pieces of this size.
_PIECE_BYTES = 128 * 1024
# By this name in the environment of WSGI an application is given a function. With whom it calls it,
# who is given the connection when the answer so far is sent; the connection stays open then.
KEEP_OPEN = "marinemap.keep_open"
# By this one a function that tells whether the client has closed its side.
IS_GONE = "marinemap.is_gone"
Heir = Callable[[OpenConnection], None]
# How long a client that was refused may go on sending before it is cut off.
_LINGER_SECONDS = 5


@dataclass(frozen=True)
class ServerLimits:
    """What one client may cost.

    Parameters
    ----------
    threads : int
        Requests answered at a time.
    connections : int
        Open sockets; beyond that the one that has been still for longest is closed.
    header_bytes, body_bytes : int
        The largest header and body of a request. The application's own limit of the body is
        lower, and it explains itself better.
    idle_seconds : int
        How long a socket stays open on which nothing moves.
    arrival_seconds : int
        How long a request may take to arrive ...
    arrival_bytes_per_second : int
        ... and how fast it has to come when it takes longer than that.
    """

    threads: int = 8
    connections: int = 2_000
    header_bytes: int = 32 * 1024
    body_bytes: int = 6 * 1024 * 1024
    idle_seconds: int = 60
    arrival_seconds: int = 20
    arrival_bytes_per_second: int = 4096


class _Parser(HTTPRequestParser):  # type: ignore[misc] # the library has no types
    """Reads requests, of which each has one end."""

    def received(self, data: bytes) -> int:
        """Take in what came; a body that is refused is not asked for (RFC 9110, 10.1.1)."""
        taken = int(super().received(data))
        self.expect_continue &= self.error is None
        return taken

    def parse_header(self, header_plus: bytes) -> None:
        """Refuse two lengths: a proxy that goes by the other one sees another next request.

        RFC 9112, 6.1: a server may refuse it, or has to close the connection afterwards.
        """
        super().parse_header(header_plus)
        if self.chunked and "CONTENT_LENGTH" in self.headers:
            raise ParsingError("Content-Length beside Transfer-Encoding; send one of them")


class _Task(WSGITask):  # type: ignore[misc] # the library has no types
    """Answers a request; HEAD by the header alone, whatever follows it for GET (RFC 9110, 9.3.2).

    Left to itself the body would be read as the next answer on that connection.
    """

    # The library's own.
    chunked_response: bool
    close_on_finish: bool
    _heir: Heir | None = None

    def get_environment(self) -> dict[str, Any]:
        """Return the application's view of a request, and what it may ask of the connection."""
        environ: dict[str, Any] = super().get_environment()
        environ[KEEP_OPEN] = self._keep_open
        environ[IS_GONE] = self.channel.is_gone
        return environ

    def _keep_open(self, heir: Heir) -> None:
        self._heir = heir

    def finish(self) -> None:
        """End the answer, where it has a body by an empty chunk, unless the connection stays."""
        if not self.wrote_header:
            self.write(b"")
        self.chunked_response &= self.request.command != "HEAD"
        if self._heir and self.status.startswith("200") and self.request.command != "HEAD":
            self.channel.inheritance = (self._heir, bool(self.chunked_response))
            self.chunked_response = False
            self.close_on_finish = True
        super().finish()


class Channel(HTTPChannel):  # type: ignore[misc] # the library has no types
    """One connection, which knows how long its present request has been arriving.

    Where a request is refused before all of it was read, the connection is closed in two steps:
    a socket closed with bytes unread is reset, and the client would not see the answer.
    """

    parser_class = _Parser
    task_class = _Task
    error_task_class = ProblemTask
    # What is arriving, None between requests.
    request: Any
    # Since when a request has been arriving, and what of it has come.
    arriving_since: float | None = None
    arrived_bytes = 0
    is_refusing = False
    # Who has the connection after this, and whether it is sent on in chunks.
    inheritance: tuple[Heir, bool] | None = None
    # Whether the line with method and address has come whole.
    has_first_line = False
    _sent_this_turn = 0
    _lingering_since: float | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sendbuf_len = _PIECE_BYTES

    def received(self, data: bytes) -> bool:
        """Take in what came, and keep the time of an unfinished request."""
        if self.request is None:
            self.arriving_since, self.arrived_bytes = time.monotonic(), 0
            self.has_first_line = False
        self.has_first_line |= b"\n" in data
        self.arrived_bytes += len(data)
        taken = super().received(data)
        if self.request is None:
            self.arriving_since = None
        return bool(taken)

    def handle_write(self) -> None:
        """Send some of what waits to be sent; the rest has its turn after others."""
        self._sent_this_turn = 0
        super().handle_write()

    def send(self, data: bytes, do_close: bool = True) -> int:
        """Send to the socket; 0 where it takes no more, or has had its share of this turn."""
        if self._sent_this_turn >= _SENT_A_TURN_BYTES:
            return 0
        sent = int(super().send(data, do_close))
        self._sent_this_turn += sent
        return sent

    def readable(self) -> bool:
        """Tell whether to read: what comes after a refusal is read, too, and let go."""
        return self._lingering_since is not None or bool(super().readable())

    def writable(self) -> bool:
        """Tell whether there is something to send."""
        return self._lingering_since is None and bool(super().writable())

    def handle_read(self) -> None:
        """Read on; at its end the connection closes by itself."""
        if self._lingering_since is None:
            super().handle_read()
        else:
            self.recv(_PIECE_BYTES)

    def handle_close(self) -> None:
        """Close; after a refusal only our side, until the client has seen it."""
        if self.inheritance and self.connected and not self.total_outbufs_len:
            self._hand_over(*self.inheritance)
            return
        if not self.is_refusing or not self.connected:
            super().handle_close()
            return
        self.is_refusing, self.will_close = False, False
        self._lingering_since = time.monotonic()
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def _hand_over(self, heir: Heir, is_chunked: bool) -> None:
        """Leave the connection to who keeps it open; it goes on under another descriptor."""
        self.inheritance = None
        kept = self.socket.dup()
        super().handle_close()
        connection = self.server.streams.adopt(kept, is_chunked)
        try:
            heir(connection)
        except Exception:
            # The loop of the whole server runs here.
            logger.exception("A connection that was to stay open is closed")
            connection.end()

    def is_gone(self) -> bool:
        """Tell whether the client has closed its side; of any thread, while a request is answered.

        Nothing is read meanwhile, so that the loop does not see it.
        """
        number = self.socket.fileno() if self.connected else -1
        if number < 0:
            return True
        look = select.poll()
        look.register(number, select.POLLRDHUP)
        return bool(look.poll(0))

    def has_lingered(self) -> bool:
        """Tell whether the client had its time to see a refusal."""
        since = self._lingering_since
        return since is not None and time.monotonic() - since > _LINGER_SECONDS

    def is_late(self, limits: ServerLimits) -> bool:
        """Tell whether a request has been arriving for too long."""
        if self.arriving_since is None:
            return False
        granted = limits.arrival_seconds + self.arrived_bytes / limits.arrival_bytes_per_second
        return time.monotonic() - self.arriving_since > granted

    def give_up(self) -> None:
        """Answer 408 to what has not arrived, and close."""
        with self.requests_lock:
            request, self.request = self.request, None
            self.arriving_since = None
            if request is None or self.requests:
                return
            request.error = RequestTimeout(LATE)
            request.completed = True
            self.requests.append(request)
        self.server.add_task(self)
