"""The web server: one process whose threads wait for no client, however slow.

Waitress takes a request in whole before a thread sees it, and sends what a thread answered from
its main loop: half-sent bodies and unread downloads hold a socket and no thread. What it leaves
open is here and in ``webserver_channel``, as who makes room when all sockets are taken.
"""

from __future__ import annotations

import os
import random
import resource
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from waitress.adjustments import Adjustments
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

from marinemap.errors import ServiceError
from marinemap.webserver_channel import Channel, ServerLimits
from marinemap.webserver_streams import StreamLimits, Streams

# A download in progress has two open files, its socket and its archive; the database, the
# libraries and the queue have theirs besides.
_FILES_EACH = 2
_OTHER_FILES = 128
# Two browsers have as many.
_FEWEST_CONNECTIONS = 12
# What the kernel keeps for a client that does not read. It would let it grow to 4 MB, each.
_KERNEL_BUFFER_BYTES = 256 * 1024


class _Server(TcpWSGIServer):  # type: ignore[misc] # the library has no types
    """Accepts connections, and sees to it that none is kept for nothing."""

    channel_class = Channel
    limits: ServerLimits
    streams: Streams
    _is_over = False

    def run(self) -> None:
        """Serve until told to stop; running requests have five seconds then."""
        while not self._is_over:
            self._turn(self.adj.asyncore_loop_timeout)
        self.streams.end_all()
        self.task_dispatcher.shutdown()
        # Those that were about to stay open.
        self._turn(0)
        self.streams.end_all()

    def _turn(self, seconds: float) -> None:
        self.asyncore.loop(seconds, self.adj.asyncore_use_poll, self._map, count=1)

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
            if channel.is_late(self.limits):
                channel.give_up()
            elif channel.has_lingered():
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
    stream_limits: StreamLimits | None = None,
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
    stream_limits : StreamLimits, optional
        Of connections that stay open.
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
    server.streams = Streams(stream_limits)
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


def stay_on_one_processor() -> None:
    """Let this thread, and all that it starts, run on one processor of those it may use.

    Only one thread runs Python at a time. Where the next one waits on another processor, that has
    to be woken for each hand-over of the interpreter's lock, which takes longer than most answers
    do; see docs/decisions/0004-web-server.md. What runs already stays where it is. Where the
    system lets no process choose, as a filter of system calls may, all runs as it would.
    """
    # Not everywhere: macOS has none.
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        # Several web servers of one machine share several; in containers all have the same number.
        with suppress(PermissionError):
            os.sched_setaffinity(0, {random.choice(allowed)})


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


def most_connections(wanted: int, streams: int = 0) -> int:
    """Return how many connections this process may have, after asking for as many files.

    Parameters
    ----------
    wanted : int
        As many as there should be.
    streams : int, optional
        How many stay open besides; the application has no more than a quarter of all files for it.

    Raises
    ------
    ServiceError
        If the process may open so few files that nobody would be answered.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted * _FILES_EACH + _OTHER_FILES + streams
    if soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    others = _OTHER_FILES + min(streams, soft // 4)
    connections = (soft - others) // _FILES_EACH
    if connections < min(wanted, _FEWEST_CONNECTIONS):
        raise ServiceError(
            f"the web server may open {soft} files at once, too few to answer anybody: "
            "let it open 1024 or more ('ulimit -n 1024', or LimitNOFILE=1024 in its unit)"
        )
    return min(wanted, connections)
