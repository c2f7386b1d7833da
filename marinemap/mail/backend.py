"""A mail server that answers a letter at a time holds no thread: each conversation has an end."""

from __future__ import annotations

import smtplib
import socket
import threading
from contextlib import suppress
from typing import Any

from django.core.mail.backends.smtp import EmailBackend

# For the greeting until the first letter, and for each letter: a sound server takes seconds.
_CONVERSATION_SECONDS = 60.0


class _Limited(smtplib.SMTP):
    """A conversation that is cut off where a step of it takes too long.

    The time that the library knows is that of each read: a server that sends a letter now and then
    is never silent.
    """

    _watch: threading.Timer | None = None

    def _get_socket(self, host: str, port: int, timeout: float) -> Any:
        connected = super()._get_socket(host, port, timeout)  # type: ignore[misc]
        self._begin_step(connected)
        return connected

    def sendmail(self, *arguments: Any, **options: Any) -> Any:
        """Send a letter, in a time of its own."""
        self._begin_step(self.sock)
        return super().sendmail(*arguments, **options)

    def close(self) -> None:
        """Let go of the server."""
        if self._watch is not None:
            self._watch.cancel()
        super().close()

    def _begin_step(self, connected: Any) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self._watch = threading.Timer(_CONVERSATION_SECONDS, self._cut, [connected])
        self._watch.daemon = True
        self._watch.start()

    def _cut(self, connected: socket.socket) -> None:
        # Under TLS, from the middle of a conversation on, it is another object.
        for each in filter(None, (connected, self.sock)):
            # It may just have ended by itself.
            with suppress(OSError):
                socket.socket.shutdown(each, socket.SHUT_RDWR)


class _LimitedTls(_Limited, smtplib.SMTP_SSL):
    """The same over TLS from the start."""


class Backend(EmailBackend):
    """Django's, whose conversations have an end."""

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        """What speaks with the server."""
        return _LimitedTls if self.use_ssl else _Limited
