"""A mail server of its own: notes letters, or is mute, trickles, refuses them, or hangs up."""

from __future__ import annotations

import json
import socketserver
import sys
import time
from email import message_from_bytes, policy
from pathlib import Path


class _Session(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        mode = Path(sys.argv[2]).read_text().strip()
        if mode == "mute":
            time.sleep(600)
        if mode == "trickling":
            while self.wfile.write(b"2"):
                time.sleep(0.1)
        self._say("220 ready")
        while line := self.rfile.readline():
            word = line.decode().split(None, 1)[0].upper()
            if word == "DATA":
                self._say("354 go on")
                self._note(self._read_letter())
                if mode == "cutting":
                    return
                self._say("250 taken")
            elif word == "RCPT" and mode == "refusing":
                self._say("550 nobody of that name")
            elif word == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 fine")

    def _read_letter(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line)
        return b"".join(lines)

    def _note(self, letter: bytes) -> None:
        parsed = message_from_bytes(letter, policy=policy.default)
        told = {"to": parsed["To"], "subject": parsed["Subject"], "text": parsed.get_content()}
        told["headers"] = {name.lower(): str(text).strip() for name, text in parsed.items()}
        with Path(sys.argv[1]).open("a") as notes:
            notes.write(json.dumps(told) + "\n")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


if __name__ == "__main__":
    with _Server(("127.0.0.1", 0), _Session) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()
