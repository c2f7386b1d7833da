"""Connections that stay open, on a server with an application of the test's own."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from marinemap.webserver import create_server, open_listener
from marinemap.webserver_streams import OpenConnection, StreamLimits
from tests.running_site import wait_for

HEAD = [("Content-Type", "text/event-stream")]


class Application:
    """Keeps each connection open that it is asked for."""

    def __init__(self) -> None:
        self.kept: list[OpenConnection] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/plain":
            start_response("200 OK", [("Content-Length", "5")])
            return [b"plain"]
        environ["marinemap.keep_open"](self.take)
        start_response("404 Not Found" if environ["PATH_INFO"] == "/404" else "200 OK", HEAD)
        return iter([b"first"])

    def take(self, connection: OpenConnection) -> None:
        self.kept.append(connection)
        if len(self.kept) > 1_000:
            raise RuntimeError("too many")


@pytest.fixture
def limits(request: pytest.FixtureRequest) -> StreamLimits:
    """Limits as they are, unless a test has others."""
    return getattr(request, "param", StreamLimits())


@pytest.fixture
def served(limits: StreamLimits) -> Iterator[tuple[int, Application, Any]]:
    """Run a server; give its port, its application and itself."""
    application = Application()
    listener = open_listener("127.0.0.1", 0)
    server = create_server(application, listener, is_behind_proxy=False, stream_limits=limits)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield int(listener.getsockname()[1]), application, server
    server.stop()
    thread.join(120)
    assert not thread.is_alive()
    server.asyncore.close_all(server._map)


def ask(port: int, path: str = "/", version: str = "1.1", size: int = 0) -> socket.socket:
    connection = socket.socket()
    if size:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
    connection.settimeout(120)
    connection.connect(("127.0.0.1", port))
    connection.sendall(f"GET {path} HTTP/{version}\r\n\r\n".encode())
    return connection


def read_until(connection: socket.socket, end: bytes) -> bytes:
    """Read as far as that, and nothing of what may have come behind it."""
    found = b""
    while not found.endswith(end):
        more = connection.recv(1)
        assert more, f"the connection ended after {found!r}"
        found += more
    return found


def kept(application: Application, count: int = 1) -> OpenConnection:
    wait_for(lambda: len(application.kept) >= count, "a connection that stays open")
    return application.kept[count - 1]


def test_what_is_sent_later_arrives_in_chunks_to_a_last_one(served: Any) -> None:
    port, application, _ = served
    with ask(port) as client:
        head = read_until(client, b"5\r\nfirst\r\n")
        assert b"Transfer-Encoding: chunked" in head
        stream = kept(application)
        stream.send(b"second")
        assert read_until(client, b"second\r\n") == b"6\r\nsecond\r\n"
        stream.end()
        assert read_until(client, b"0\r\n\r\n") == b"0\r\n\r\n"
        assert client.recv(10) == b""
        assert not stream.is_open


def test_old_client_is_sent_no_chunks(served: Any) -> None:
    port, application, _ = served
    with ask(port, version="1.0") as client:
        assert b"chunked" not in read_until(client, b"\r\n\r\nfirst")
        kept(application).send(b"second")
        assert read_until(client, b"second") == b"second"


@pytest.mark.parametrize("path", ["/404"])
def test_answer_of_another_status_does_not_stay_open(served: Any, path: str) -> None:
    port, application, _ = served
    with ask(port, path) as client:
        assert read_until(client, b"0\r\n\r\n").endswith(b"5\r\nfirst\r\n0\r\n\r\n")
        assert client.recv(10) == b""
    assert application.kept == []


def test_open_connections_hold_no_thread_and_no_place_in_the_loop(served: Any) -> None:
    port, application, server = served
    with contextlib.ExitStack() as held:
        for _ in range(100):
            held.enter_context(ask(port))
        kept(application, 100)
        with ask(port, "/plain") as client:
            assert read_until(client, b"plain").startswith(b"HTTP/1.1 200 OK")
        # The listening socket, the trigger, and what just answered.
        wait_for(lambda: len(server._map) <= 3, "a loop with nothing else in it")
        assert len(server.streams) == 100


def test_clients_that_leave_leave_nothing_behind(served: Any) -> None:
    port, application, server = served
    before = len(os.listdir("/proc/self/fd"))
    clients = [ask(port) for _ in range(50)]
    kept(application, 50)
    for at, client in enumerate(clients):
        if at % 2:
            client.shutdown(socket.SHUT_WR)
        else:
            client.close()
    wait_for(lambda: not len(server.streams), "the end of all streams")
    assert not any(stream.is_open for stream in application.kept)
    for client in clients:
        client.close()
    # The thread that looked after them has gone as well.
    wait_for(lambda: "streams" not in [at.name for at in threading.enumerate()], "its end")
    wait_for(lambda: len(os.listdir("/proc/self/fd")) <= before, "descriptors closed")


def test_who_speaks_on_is_left(served: Any) -> None:
    port, application, _ = served
    with ask(port) as client:
        read_until(client, b"first\r\n")
        stream = kept(application)
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        wait_for(lambda: not stream.is_open, "the end of the stream")


@pytest.mark.parametrize("limits", [StreamLimits(heartbeat_seconds=0.5)], indirect=True)
def test_silence_is_broken_by_a_comment(served: Any) -> None:
    port, application, _ = served
    with ask(port) as client:
        read_until(client, b"first\r\n")
        kept(application)
        assert read_until(client, b": \n\n\r\n") == b"4\r\n: \n\n\r\n"


@pytest.mark.parametrize(
    "limits", [StreamLimits(behind_seconds=1), StreamLimits(unsent_bytes=10_000)], indirect=True
)
def test_client_that_does_not_read_is_dropped(served: Any) -> None:
    port, application, server = served
    with ask(port, size=2_000):
        stream = kept(application)
        deadline = time.monotonic() + 120
        while stream.is_open and time.monotonic() < deadline:
            # As the feed does: who is behind is sent nothing more, until it is too long.
            if not stream.is_behind or server.streams.limits.behind_seconds > 1:
                stream.send(b"x" * 1_000)
            else:
                time.sleep(0.05)
        assert not stream.is_open
        wait_for(lambda: len(server.streams) == 0, "that it is forgotten")


def test_slow_reader_gets_all_in_order(served: Any) -> None:
    port, application, _ = served
    sent = b"".join(b"%06d" % number for number in range(5_000))
    with ask(port, version="1.0", size=2_000) as client:
        stream = kept(application)
        stream.send(sent)
        assert stream.is_behind
        stream.end()
        found = b""
        while more := client.recv(1_000):
            found += more
    assert found.endswith(b"\r\n\r\nfirst" + sent)


def test_server_that_stops_ends_its_streams(served: Any) -> None:
    port, application, server = served
    with ask(port) as client:
        read_until(client, b"first\r\n")
        kept(application)
        server.stop()
        assert read_until(client, b"0\r\n\r\n") == b"0\r\n\r\n"
        assert client.recv(10) == b""


def test_heir_that_fails_ends_one_connection_only(
    served: Any, caplog: pytest.LogCaptureFixture
) -> None:
    port, application, _ = served
    application.kept = [None] * 1_000  # type: ignore[list-item] # as many as it takes
    with ask(port) as client:
        read_until(client, b"0\r\n\r\n")
    assert "too many" in caplog.text
    with ask(port, "/plain") as client:
        read_until(client, b"plain")
