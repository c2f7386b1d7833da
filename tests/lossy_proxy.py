"""A network between a client and PostgreSQL that can lose the answer to a commit."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

_PIECE_BYTES = 65536


class LossyProxy:
    """Passes bytes on; once armed, it cuts one connection between a commit and its answer."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._port = port
        self._armed_for: bytes | None = None
        self.has_cut = threading.Event()
        self._clients: list[socket.socket] = []
        self._listener = socket.create_server((host, 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_answer_to_commit_after(self, statement: bytes) -> None:
        """Cut the connection whose next commit follows a statement, when that is done."""
        self._armed_for = statement

    def go_away(self) -> None:
        """Cut all connections, and take no more."""
        self.close()
        for client in self._clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        # Closed alone it would still be accepting.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._clients.append(client)
                threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.create_connection(("127.0.0.1", self._port))
        answers = threading.Thread(target=_pass_on, args=[server, client], daemon=True)
        answers.start()
        is_marked = False
        with contextlib.suppress(OSError), client, server:
            while piece := client.recv(_PIECE_BYTES):
                is_marked |= self._armed_for is not None and self._armed_for in piece
                if is_marked and b"COMMIT" in piece:
                    self._armed_for = None
                    client.shutdown(socket.SHUT_RDWR)
                    server.sendall(piece)
                    # The server has done it when it answers; nobody hears that.
                    answers.join(120)
                    self.has_cut.set()
                    return
                server.sendall(piece)


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(_PIECE_BYTES):
            target.sendall(piece)


@contextlib.contextmanager
def lossy_proxy(port: int) -> Iterator[LossyProxy]:
    """Run a proxy before a server."""
    proxy = LossyProxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
