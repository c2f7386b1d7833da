"""A receiver of callbacks, a process of its own: notes what it is sent, answers as it is told."""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        kind = self.headers["Content-Type"]
        with Path(sys.argv[1]).open("a") as notes:
            notes.write(
                json.dumps(
                    {
                        "path": self.path,
                        "type": kind,
                        "body": json.loads(body),
                        "raw": body.decode(),
                        "headers": {name.lower(): text for name, text in self.headers.items()},
                    }
                )
                + "\n"
            )
        self.send_response(int(self.path.rpartition("/")[2]))
        self.send_header("Location", "/redirected/200")
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(int(self.path.rpartition("/")[2]))
        self.send_header("Location", "/value/200")
        self.end_headers()
        self.wfile.write(b"x" * 6_000_000 if "large" in self.path else b'"from afar"')

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


if __name__ == "__main__":
    server = HTTPServer(("127.0.0.1", 0), _Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
