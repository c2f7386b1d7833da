"""The web server: one process whose threads wait for no client, however slow.

Waitress takes a request in whole before a thread sees it, and sends what a thread answered from
its main loop: half-sent bodies and unread downloads hold a socket and no thread. What it leaves
open is here: how long a request may take to arrive, who makes room when all sockets are taken,
answers to HEAD, and errors of the server's own as problem documents (RFC 9457).
"""

from __future__ import annotations

import contextlib
import json
import resource
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, ThreadedTaskDispatcher, WSGITask
from waitress.utilities import Error

# A download in progress has two open files, its socket and its archive; the database, the
# libraries and the queue have theirs besides.
_FILES_EACH = 2
_OTHER_FILES = 128
# A fast reader of a large file must not keep the loop from all others: so much a turn ...
_SENT_A_TURN_BYTES = 1 << 20
# ... in pieces of this size.
_PIECE_BYTES = 128 * 1024
# What the kernel keeps for a client that does not read. It would let it grow to 4 MB, each.
_KERNEL_BUFFER_BYTES = 256 * 1024
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


class RequestTimeout(Error):  # type: ignore[misc] # the library has no types
    """The request did not arrive in time."""

    code = 408
    reason = "Request Timeout"


class _Parser(HTTPRequestParser):  # type: ignore[misc] # the library has no types
    """Reads requests, of which each has one end."""

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

    def finish(self) -> None:
        """End the answer, where it has a body by an empty chunk."""
        if not self.wrote_header:
            self.write(b"")
        self.chunked_response &= self.request.command != "HEAD"
        super().finish()


class _ProblemTask(ErrorTask):  # type: ignore[misc] # the library has no types
    """Answers an error of the server's own as a problem document."""

    def execute(self) -> None:
        error = self.request.error
        code, title, detail = error.code, error.reason, str(error.body)
        most = self.channel.adj
        if code == 431 and not self.channel.has_first_line:
            code, title = 414, "URI Too Long"
            detail = f"The address has more than {most.max_request_header_size:,} bytes."
        elif code == 431:
            detail = f"The headers have more than {most.max_request_header_size:,} bytes."
        elif code == 413:
            # The limit itself is one too many for the library.
            detail = f"The body has more than {most.max_request_body_size - 1:,} bytes."
        body = {"type": "about:blank", "title": title, "status": code, "detail": detail}
        content = json.dumps(body).encode()
        self.status = f"{code} {title}"
        self.response_headers.append(("Content-Type", "application/problem+json"))
        self.set_close_on_finish()
        self.channel.is_refusing = True
        self.content_length = len(content)
        self.write(content)


class _Channel(HTTPChannel):  # type: ignore[misc] # the library has no types
    """One connection, which knows how long its present request has been arriving.

    Where a request is refused before all of it was read, the connection is closed in two steps:
    a socket closed with bytes unread is reset, and the client would not see the answer.
    """

    parser_class = _Parser
    task_class = _Task
    error_task_class = _ProblemTask
    # What is arriving, None between requests.
    request: Any
    # Since when a request has been arriving, and what of it has come.
    arriving_since: float | None = None
    arrived_bytes = 0
    is_refusing = False
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
            self.arriving_since, self.arrived_bytes = time.time(), 0
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
        if not self.is_refusing or not self.connected:
            super().handle_close()
            return
        self.is_refusing, self.will_close = False, False
        self._lingering_since = time.time()
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def has_lingered(self, now: float) -> bool:
        """Tell whether the client had its time to see a refusal."""
        return self._lingering_since is not None and now - self._lingering_since > _LINGER_SECONDS

    def is_late(self, now: float, limits: ServerLimits) -> bool:
        """Tell whether a request has been arriving for too long."""
        if self.arriving_since is None:
            return False
        granted = limits.arrival_seconds + self.arrived_bytes / limits.arrival_bytes_per_second
        return now - self.arriving_since > granted

    def give_up(self) -> None:
        """Answer 408 to what has not arrived, and close."""
        with self.requests_lock:
            request, self.request = self.request, None
            self.arriving_since = None
            if request is None or self.requests:
                return
            request.error = RequestTimeout("The request did not arrive in time; send it again.")
            request.completed = True
            self.requests.append(request)
        self.server.add_task(self)


class _Server(TcpWSGIServer):  # type: ignore[misc] # the library has no types
    """Accepts connections, and sees to it that none is kept for nothing."""

    channel_class = _Channel
    limits: ServerLimits
    _is_over = False

    def run(self) -> None:
        """Serve until told to stop; running requests have five seconds then."""
        while not self._is_over:
            self.asyncore.loop(
                self.adj.asyncore_loop_timeout, self.adj.asyncore_use_poll, self._map, count=1
            )
        self.task_dispatcher.shutdown()

    def stop(self) -> None:
        """End :meth:`run`; may be called by a handler of a signal.

        It raises nothing: a handler may run within a destructor, and what is raised there is lost.
        """
        self._is_over = True
        self.pull_trigger()

    def handle_accept(self) -> None:
        """Accept a connection; where there are too many, the stillest makes room."""
        if len(self.active_channels) >= self.limits.connections:
            self._close_stillest()
        super().handle_accept()

    def maintenance(self, now: float) -> None:
        """Close what is idle, and answer what arrives too slowly."""
        super().maintenance(now)
        for channel in list(self.active_channels.values()):
            if channel.is_late(now, self.limits):
                channel.give_up()
            elif channel.has_lingered(now):
                channel.handle_close()

    def _close_stillest(self) -> None:
        waiting = [channel for channel in self.active_channels.values() if not channel.requests]
        if waiting:
            min(waiting, key=lambda channel: channel.last_activity).handle_close()


def create_server(
    application: Callable[..., Any],
    listener: socket.socket,
    *,
    is_behind_proxy: bool,
    limits: ServerLimits | None = None,
) -> Any:
    """Return a server that is ready to run on a listening socket.

    Parameters
    ----------
    application : callable
        By WSGI.
    listener : socket
        Bound and listening.
    is_behind_proxy : bool
        Whether ``X-Forwarded-*`` headers reach the application. Otherwise they are a client's own
        words, and are dropped.
    limits : ServerLimits, optional
    """
    limits = limits or ServerLimits()
    adjustments = Adjustments(
        sockets=[listener],
        threads=limits.threads,
        # Never reached: the stillest makes room before. Waitress counts two more of its own.
        connection_limit=limits.connections + 16,
        max_request_header_size=limits.header_bytes,
        # Waitress refuses what is as large as its limit.
        max_request_body_size=limits.body_bytes + 1,
        # Kept in memory up to here, beyond in a temporary file.
        inbuf_overflow=64 * 1024,
        channel_timeout=limits.idle_seconds,
        cleanup_interval=min(5, limits.arrival_seconds),
        clear_untrusted_proxy_headers=not is_behind_proxy,
        # By select() a server has 1,024 files at most.
        asyncore_use_poll=True,
        ident="",
    )
    dispatcher = ThreadedTaskDispatcher()
    dispatcher.set_thread_count(limits.threads)
    server = _Server(
        _without_body_for_head(application),
        _start=False,
        _sock=listener,
        dispatcher=dispatcher,
        adj=adjustments,
        bind_socket=False,
        sockinfo=(listener.family, listener.type, listener.proto, listener.getsockname()),
    )
    server.limits = limits
    server.accepting = True
    return server


def _without_body_for_head(application: Callable[..., Any]) -> Callable[..., Any]:
    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        content = application(environ, start_response)
        if environ["REQUEST_METHOD"] != "HEAD":
            return content
        if hasattr(content, "close"):
            content.close()
        return []

    return answer


def open_listener(host: str, port: int) -> socket.socket:
    """Return a listening socket; ``::`` takes IPv4 as well.

    Raises
    ------
    OSError
        If the address is taken or is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server(
        (host, port), family=family, backlog=1024, dualstack_ipv6=host == "::"
    )
    listener.setblocking(False)
    # Connections inherit it.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BUFFER_BYTES)
    return listener


def most_connections(wanted: int) -> int:
    """Return how many connections this process may have, after asking for as many files.

    Parameters
    ----------
    wanted : int
        As many as there should be.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted * _FILES_EACH + _OTHER_FILES
    if soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return min(wanted, (soft - _OTHER_FILES) // _FILES_EACH)
