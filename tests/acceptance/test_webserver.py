"""The web server's own limits, on a server with an application of the test's own."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from marinemap.webserver import create_server, open_listener
from marinemap.webserver_channel import ServerLimits

Start = Callable[..., int]
Send = Callable[..., socket.socket]


def _mirror(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answer what the application was told of the request."""
    names = ("SCRIPT_NAME", "PATH_INFO", "REMOTE_ADDR", "wsgi.url_scheme")
    told = {n: v for n, v in environ.items() if n in names or n.startswith("HTTP_X_")}
    told["read"] = len(environ["wsgi.input"].read())
    content = json.dumps(told).encode()
    headers = [("Content-Type", "application/json")]
    if environ["PATH_INFO"] == "/piecemeal":
        start_response("200 OK", headers)
        return [content[:5], content[5:]]
    start_response("200 OK", [*headers, ("Content-Length", str(len(content)))])
    return [content]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start servers with limits of the test's choice; return the port of each."""
    servers = []

    def run(is_behind_proxy: bool = False, **limits: int) -> int:
        listener = open_listener("127.0.0.1", 0)
        server = create_server(
            _mirror, listener, is_behind_proxy=is_behind_proxy, limits=ServerLimits(**limits)
        )
        thread = threading.Thread(target=server.run)
        thread.start()
        servers.append((server, thread))
        return int(listener.getsockname()[1])

    yield run
    for server, thread in servers:
        server.stop()
        thread.join(120)
        assert not thread.is_alive()
        server.asyncore.close_all(server._map)


@pytest.fixture
def send() -> Iterator[Send]:
    """Connect and send some bytes; close the connections at the end."""
    with contextlib.ExitStack() as held:

        def run(port: int, beginning: bytes = b"") -> socket.socket:
            connection = socket.create_connection(("127.0.0.1", port), timeout=120)
            held.enter_context(connection)
            connection.sendall(beginning)
            return connection

        yield run


def _ask(connection: socket.socket) -> bool:
    """Send a request and read its answer, which ends with the document that the mirror gives."""
    connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
    answer = b""
    while not answer.endswith(b"}"):
        answer += connection.recv(10_000)
    return answer.startswith(b"HTTP/1.1 200 OK")


def _answer(connection: socket.socket) -> tuple[int, dict[str, Any]]:
    """Read an answer to its end; the server has to close."""
    content = b""
    while piece := connection.recv(65536):
        content += piece
    head, _, body = content.partition(b"\r\n\r\n")
    assert b"Content-Type: application/problem+json" in head
    return int(head.split()[1]), json.loads(body)


def test_application_learns_that_its_client_has_gone() -> None:
    """As who waits for the end of a run: a thread of few is free again."""
    asked, answers = threading.Event(), []

    def wait(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        answers.append(environ["marinemap.is_gone"]())
        asked.set()
        deadline = time.monotonic() + 120
        while not environ["marinemap.is_gone"]() and time.monotonic() < deadline:
            threading.Event().wait(0.01)
        answers.append(environ["marinemap.is_gone"]())
        start_response("200 OK", [])
        return []

    listener = open_listener("127.0.0.1", 0)
    server = create_server(wait, listener, is_behind_proxy=False, limits=ServerLimits(threads=1))
    thread = threading.Thread(target=server.run)
    thread.start()
    with socket.create_connection(listener.getsockname()) as client:
        # What is sent besides does not hide it.
        client.sendall(b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n")
        assert asked.wait(120)
    server.stop()
    thread.join(180)
    assert not thread.is_alive()
    server.asyncore.close_all(server._map)
    # Until it is told so it waits on, and tells in the end what it knows.
    assert answers == [False, True]


@pytest.mark.parametrize(
    "beginning",
    [
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nx",
    ],
    ids=["first line", "header", "body"],
)
def test_request_that_does_not_arrive_is_answered_and_closed(
    start: Start, send: Send, beginning: bytes
) -> None:
    port = start(arrival_seconds=1)
    status, problem = _answer(send(port, beginning))
    assert (status, problem["status"]) == (408, 408)
    assert "did not arrive in time" in problem["detail"]


def test_request_that_trickles_in_is_given_up(start: Start, send: Send) -> None:
    port = start(arrival_seconds=1, arrival_bytes_per_second=1_000_000)
    connection = send(port, b"POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n")
    connection.settimeout(0.1)
    for _ in range(150):
        connection.sendall(b"x")
        try:
            answer = connection.recv(100)
            break
        except TimeoutError:
            continue
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_slow_but_steady_request_is_served(start: Start, send: Send) -> None:
    port = start(arrival_seconds=1, arrival_bytes_per_second=10)
    connection = send(port, b"POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 1030\r\n\r\n")
    connection.sendall(b"x" * 1000)
    connection.settimeout(0.1)
    for _ in range(30):  # Three seconds, each byte in time.
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.sendall(b"x")
    connection.settimeout(120)
    assert connection.recv(100).startswith(b"HTTP/1.1 200 ")


def test_idle_connection_is_closed(start: Start, send: Send) -> None:
    assert send(start(idle_seconds=1, arrival_seconds=1)).recv(1) == b""


def test_stillest_connection_makes_room_for_a_new_one(start: Start, send: Send) -> None:
    port = start(connections=10)
    held = [send(port) for _ in range(10)]
    assert _ask(held[0])
    assert requests.get(f"http://127.0.0.1:{port}/", timeout=120).ok
    assert held[1].recv(1) == b""
    assert _ask(held[0])


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"POST / HTTP/1.1\r\nContent-Length: 2000\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (
            b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"0\r\n\r\nGET /hidden HTTP/1.1\r\n\r\n",
            400,
        ),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
    ],
    ids=["header", "address", "body", "length", "coding", "two lengths", "TLS"],
)
def test_what_the_server_refuses_itself_is_a_problem_document(
    start: Start, send: Send, request_bytes: bytes, status: int
) -> None:
    answered, problem = _answer(send(start(body_bytes=1000), request_bytes))
    assert (answered, problem["status"]) == (status, status)
    assert problem["title"] and problem["detail"]


@pytest.mark.parametrize(
    ("target", "status"),
    [(b"/\xc3\xa9", b"400"), (b"/" + b"x" * 40_000, b"414")],
    ids=["letters", "address"],
)
def test_head_that_the_server_refuses_itself_has_no_body(
    start: Start, send: Send, target: bytes, status: bytes
) -> None:
    connection = send(start(), b"HEAD " + target + b" HTTP/1.1\r\n\r\n")
    answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.split(b" ")[1] == status
    assert answer.endswith(b"\r\n\r\n")


_GERMAN = b"Accept-Language: de-AT, en;q=0.5\r\n"


@pytest.mark.parametrize(
    ("request_bytes", "title", "words"),
    [
        (
            b"POST / HTTP/1.1\r\n" + _GERMAN + b"Content-Length: 2000\r\n\r\n",
            "zu gro",
            "1.000 Bytes",
        ),
        (b"GET / HTTP/1.1\r\n" + _GERMAN + b"X: " + b"x" * 40_000 + b"\r\n\r\n", "zu gro", "Kopf"),
        (b"GET / HTTP/1.1\r\n" + _GERMAN, "Zeit", "nicht rechtzeitig"),
        (b"POST / HTTP/1.1\r\n" + _GERMAN + b"Content-Length: 9\r\n\r\nx", "Zeit", "nicht recht"),
    ],
    ids=["body", "header", "late header", "late body"],
)
def test_what_the_server_refuses_itself_is_told_in_the_readers_language(
    start: Start, send: Send, request_bytes: bytes, title: str, words: str
) -> None:
    port = start(body_bytes=1000, arrival_seconds=1)
    _, problem = _answer(send(port, request_bytes))
    assert title in problem["title"] and words in problem["detail"]


@pytest.mark.parametrize(("length", "status"), [(1000, b"100 Continue"), (2000, b"413 ")])
def test_body_that_is_too_large_is_not_asked_for(
    start: Start, send: Send, length: int, status: bytes
) -> None:
    head = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % length
    assert send(start(body_bytes=1000), head).recv(4096).startswith(b"HTTP/1.1 " + status)


def test_body_of_exactly_the_limit_is_taken(start: Start) -> None:
    base = f"http://127.0.0.1:{start(body_bytes=1000)}/"
    assert requests.post(base, data=b"x" * 1000, timeout=120).json()["read"] == 1000


@pytest.mark.parametrize("path", [b"/", b"/piecemeal"])
def test_answer_to_head_ends_with_its_header(start: Start, send: Send, path: bytes) -> None:
    head = b"HEAD " + path + b" HTTP/1.1\r\n\r\n"
    last = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"
    connection = send(start(), head + last)
    answers = b""
    while piece := connection.recv(65536):
        answers += piece
    first, _, rest = answers.partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 200 OK")
    # Where the length is not known, the connection may be closed.
    assert rest.startswith(b"HTTP/1.1 200 OK") or (path != b"/" and rest == b"")


FORGED = {
    "SCRIPT_NAME": "/evil",
    "Script-Name": "/evil",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-For": "192.0.2.1",
    "X-Forwarded-Host": "evil.example",
    "X_Forwarded_Proto": "https",
}


def test_forwarders_headers_of_a_client_are_dropped(start: Start) -> None:
    told = requests.get(f"http://127.0.0.1:{start()}/a", headers=FORGED, timeout=120).json()
    assert told == {
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.url_scheme": "http",
        "read": 0,
    }


def test_proxys_headers_reach_the_application(start: Start) -> None:
    port = start(is_behind_proxy=True)
    told = requests.get(f"http://127.0.0.1:{port}/a", headers=FORGED, timeout=120).json()
    assert told["HTTP_X_FORWARDED_PROTO"] == "https"
    # What they mean is the application's to judge.
    assert (told["SCRIPT_NAME"], told["REMOTE_ADDR"]) == ("", "127.0.0.1")


def test_client_that_leaves_is_not_waited_for(start: Start, send: Send) -> None:
    port = start(threads=1)
    for _ in range(20):
        send(port, b"GET / HTTP/1.1\r\n\r\n").close()
    assert requests.get(f"http://127.0.0.1:{port}/", timeout=120).ok


_FEW_FILES = """
import resource
from marinemap.errors import ServiceError
from marinemap.webserver import most_connections
for files in (256, 128):
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    try:
        print(most_connections(1000, streams=2000))
    except ServiceError as error:
        print(error)
"""


def test_server_that_may_open_too_few_files_says_so() -> None:
    """It began, accepted no connection and told nobody."""
    done = subprocess.run(
        [sys.executable, "-c", _FEW_FILES], capture_output=True, text=True, timeout=300
    )
    some, refused = done.stdout.splitlines()
    assert int(some) >= 12
    assert "may open 128 files at once" in refused and "LimitNOFILE=1024" in refused
