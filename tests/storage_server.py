"""An S3 server in a process of its own (moto's), and a network before it that can fail."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
import requests

from tests.postgresql import free_port
from tests.running_site import wait_for

_PIECE_BYTES = 65536
ACCESS_KEY, SECRET_KEY = "the-sites-own", "a-secret-that-nobody-may-read"
# The names of buckets without room begin so: they take empty objects and no others.
FULL = "full-"
# Of those that know no DeleteObjects so.
OLD = "old-"
# moto gives whatever a link asks for, also when its time is over: that is refused as S3 does.
_SERVE = """
import sys
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qs
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

moto = DomainDispatcherApplication(create_backend_app)
REFUSED = b"<Error><Code>%s</Code><Message>no</Message></Error>"

def refuse(start, code):
    start("403 Forbidden", [("Content-Type", "application/xml")])
    return [REFUSED % code]

def serve(environ, start):
    asked = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    signed = asked.get("X-Amz-Credential", "") + environ.get("HTTP_AUTHORIZATION", "")
    if sys.argv[2] not in signed:
        return refuse(start, b"InvalidAccessKeyId")
    if "X-Amz-Date" in asked:
        begun = datetime.strptime(asked["X-Amz-Date"] + "+0000", "%Y%m%dT%H%M%SZ%z")
        if begun + timedelta(seconds=int(asked["X-Amz-Expires"])) <= datetime.now(timezone.utc):
            return refuse(start, b"AccessDenied")
    is_full = environ["PATH_INFO"].startswith("/" + sys.argv[3])
    if is_full and environ["REQUEST_METHOD"] == "PUT" and int(environ.get("CONTENT_LENGTH") or 0):
        return refuse(start, b"QuotaExceeded")
    if environ["PATH_INFO"].startswith("/" + sys.argv[4]) and environ["REQUEST_METHOD"] == "POST":
        start("501 Not Implemented", [("Content-Type", "application/xml")])
        return [REFUSED % b"NotImplemented"]
    return moto(environ, start)

run_simple("127.0.0.1", int(sys.argv[1]), serve, threaded=True)
"""


@contextlib.contextmanager
def running_server() -> Iterator[str]:
    """Run a server; yield its address."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE, str(port), ACCESS_KEY, FULL, OLD],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: _answers(port), "an answer of the storage")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    with contextlib.suppress(requests.ConnectionError):
        return requests.get(f"http://127.0.0.1:{port}/", timeout=60).status_code == 403
    return False


def make_bucket(endpoint: str, name: str) -> Any:
    """Make a bucket; return a client that sees all of it."""
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )
    client.create_bucket(Bucket=name)
    return client


def storage_at(endpoint: str, bucket: str, **changed: Any) -> dict[str, Any]:
    """Return a storage as the settings have it."""
    return {
        "bucket": bucket,
        "prefix": "maps/",
        "endpoint": endpoint,
        "public_endpoint": "",
        "region": "",
        "addressing": "path",
        "access_key": ACCESS_KEY,
        "secret_key": SECRET_KEY,
        "link_seconds": 900.0,
        **changed,
    }


class Gate:
    """Passes bytes on to a server; it can be shut, hold what comes, or change a byte of it."""

    def __init__(self, endpoint: str) -> None:
        self._target = int(urlsplit(endpoint).port or 0)
        self._connections: list[socket.socket] = []
        self._passed = 0
        self._lock = threading.Lock()
        self._holds_after: float = sys.maxsize
        self._damages_at: float = sys.maxsize
        self.is_holding = threading.Event()
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.open()

    def open(self) -> None:
        """Take connections."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def shut(self) -> None:
        """Cut all connections, and take no more."""
        # Closed alone it would still be accepting.
        for each in (self._listener, *self._connections):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def restore(self) -> None:
        """Pass everything on again."""
        self.shut()
        self._holds_after = self._damages_at = sys.maxsize
        self.is_holding.clear()
        self.open()

    def hold_after(self, count_bytes: float) -> None:
        """Be mute once so many further bytes have come from clients."""
        self._holds_after = self._passed + count_bytes

    def damage_at(self, count_bytes: int) -> None:
        """Change one byte behind so many further ones."""
        self._damages_at = self._passed + count_bytes

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                self._connections.append(client)
                threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.create_connection(("127.0.0.1", self._target))
        threading.Thread(target=_pass_on, args=[server, client], daemon=True).start()
        with contextlib.suppress(OSError), client, server:
            while piece := client.recv(_PIECE_BYTES):
                server.sendall(self._handled(piece))

    def _handled(self, piece: bytes) -> bytes:
        with self._lock:
            self._passed += len(piece)
            is_held, is_damaged = self._passed > self._holds_after, self._passed > self._damages_at
            self._damages_at = sys.maxsize if is_damaged else self._damages_at
        if is_held:
            self.is_holding.set()
            # Until the connection is cut from the other side.
            threading.Event().wait()
        return piece[:-1] + bytes([piece[-1] ^ 1]) if is_damaged else piece


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(_PIECE_BYTES):
            target.sendall(piece)
