"""A web server with ranges in a process of its own, which can be told to go wrong."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.postgresql import free_port
from tests.running_site import wait_for

# Told through a file beside the data, which is read anew for each request: a fault stands for so
# many requests (``times``), after some are passed over (``after``), of the bytes from a place on
# (``beyond``).
_SERVE = r"""
import base64, hashlib, json, os, re, sys, time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from urllib.parse import unquote, urlsplit

FOLDER, TOLD, LOG = Path(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
lock, used = Lock(), {}

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def fault(self):
        with lock:
            try:
                text = TOLD.read_text()
            except FileNotFoundError:
                text = "{}"
            told = json.loads(text)
            first = int(re.match(r"bytes=(\d+)|", self.headers.get("Range", ""))[1] or 0)
            if first < told.get("beyond", 0):
                return {}
            used[text] = used.get(text, 0) + 1
            number = used[text] - told.get("after", 0)
        return told if 0 < number <= told.get("times", 1 << 30) else {}

    def do_GET(self):
        target = urlsplit(self.path)
        with lock, LOG.open("a") as log:
            log.write(json.dumps([self.path, dict(self.headers)]) + "\n")
        fault = self.fault()
        kind = fault.get("kind", "")
        if kind == "mute":
            time.sleep(60)
            return
        if kind in ("trickling head", "continuing"):
            endless = b"X" if kind == "trickling head" else b"HTTP/1.1 100 Continue\r\n\r\n"
            self.wfile.write(b"HTTP/1.1 206 Partial Content\r\n" * (endless == b"X"))
            while self.wfile.write(endless):
                time.sleep(0.1)
        if kind == "status":
            self.send_response(fault["status"])
            for name, value in fault.get("headers", {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path = FOLDER / unquote(target.path).lstrip("/")
        if not path.is_file():
            return self.end(404)
        data, state = path.read_bytes(), path.stat()
        tag = '"%s"' % hashlib.sha256(data).hexdigest()[:16]
        if kind == "weak":
            tag = "W/" + tag
        if self.headers.get("If-Match") not in (None, tag):
            return self.end(412)
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        first, last = int(asked[1]), min(int(asked[2]), len(data) - 1)
        if first >= len(data):
            return self.end(416)
        body, stated = data[first : last + 1], f"bytes {first}-{last}/{len(data)}"
        if kind == "shifted":
            stated = f"bytes {first + 1}-{last + 1}/{len(data)}"
        whole = kind == "whole"
        self.send_response(200 if whole else 206)
        if kind != "unmarked":
            self.send_header("ETag", tag)
            self.send_header("Last-Modified", formatdate(state.st_mtime, usegmt=True))
        if kind == "gzip":
            self.send_header("Content-Encoding", "gzip")
        if not whole:
            self.send_header("Content-Range", fault.get("range", stated))
        self.send_header("Content-Length", str(len(data if whole else body)))
        self.end_headers()
        if kind == "cut":
            body = body[: len(body) // 2]
            self.close_connection = True
        if kind == "trickle":
            for n in range(len(body)):
                self.wfile.write(body[n : n + 1])
                self.wfile.flush()
                time.sleep(0.2)
        self.wfile.write(data if whole else body)

    def end(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

class Server(ThreadingHTTPServer):
    def handle_error(self, *args):
        pass

Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@dataclass(frozen=True)
class RangeServer:
    """A server that runs: what it serves, and what it was asked for."""

    address: str
    folder: Path
    told: Path
    log: Path

    def fail(self, kind: str, **details: Any) -> None:
        """Let requests go wrong from now on: ``times`` of them, after some (``after``).

        With ``beyond`` those for bytes from there on.
        """
        # In one step: the server may be reading.
        new = self.told.with_name("told-new")
        new.write_text(json.dumps({"kind": kind, **details, "at": self._count()}))
        new.rename(self.told)

    def mend(self) -> None:
        """Answer as is right."""
        self.told.unlink(missing_ok=True)

    def requests(self) -> list[tuple[str, dict[str, str]]]:
        """Return the paths and headers of all requests."""
        if not self.log.exists():
            return []
        # The last may still be being written.
        whole = self.log.read_text().split("\n")[:-1]
        return [tuple(json.loads(line)) for line in whole]

    def _count(self) -> int:
        return len(self.requests())


@contextlib.contextmanager
def running_server(folder: Path) -> Iterator[RangeServer]:
    """Serve the files of a folder."""
    served = folder / "served"
    served.mkdir()
    port = free_port()
    server = RangeServer(f"http://127.0.0.1:{port}", served, folder / "told", folder / "log")
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE, str(port), str(served), str(server.told), str(server.log)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: _answers(port), "an answer of the server")
        yield server
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
        return True
    return False
