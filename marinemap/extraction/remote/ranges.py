"""Ranges of bytes of a file on a server: asked for, looked at, and asked for again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import SplitResult, urljoin, urlsplit

from marinemap.errors import DatasetError
from marinemap.extraction.remote.address import Mark, Remote
from marinemap.extraction.remote.answers import PASSING, answered, away, pause_seconds, read_mark
from marinemap.extraction.remote.cut import cut_after
from marinemap.extraction.remote.prefixes import Prefix, find_prefix, prefix_of, silent_seconds
from marinemap.sentences import Sentence, say

_TRIES = 4
_PAUSES_SECONDS = (0.2, 1.0, 3.0)
_MOST_PAUSE_SECONDS = 10.0
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
# A server that is slower than this is taken for away: a trickle would hold a worker for days.
_LEAST_BYTES_A_SECOND = 20_000
_PIECE_BYTES = 1 << 18


@dataclass
class Ranges:
    """Reads ranges of one file over one connection; for one thread at a time.

    Parameters
    ----------
    remote : Remote
        With the state that is to be read, or in any.
    seconds : float
        How long the server may be silent.
    tries : int
        How often what failed for a passing reason is asked for.
    """

    remote: Remote
    seconds: float
    tries: int = _TRIES
    requests: int = 0
    bytes_read: int = 0
    _connection: HTTPConnection | None = None
    _server: tuple[str, str, int | None] | None = None

    def look(self) -> Mark:
        """Return the state of the file, having seen that the server gives ranges of it.

        Raises
        ------
        DatasetError, UnavailableError
            If it cannot be read.
        """
        mark, _ = self._tried(0, 0)
        return mark

    def read(self, first: int, count: int) -> bytes:
        """Return so many bytes from one on; they are all there.

        Raises
        ------
        SourceChangedError
            If the file has another state by now.
        DatasetError, UnavailableError
            If it cannot be read.
        """
        return self._tried(first, first + count - 1)[1] if count else b""

    def close(self) -> None:
        """Let go of the server."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._server = None

    def _tried(self, first: int, last: int) -> tuple[Mark, bytes]:
        pauses = iter(_PAUSES_SECONDS)
        for left in reversed(range(self.tries)):
            try:
                return self._once(first, last)
            except _Passing as passing:
                self.close()
                if not left:
                    raise away(self.remote, passing.why) from passing.__cause__
                own = next(pauses, _MOST_PAUSE_SECONDS)
                time.sleep(min(own if passing.pause is None else passing.pause, self._patience))
            except BaseException:
                self.close()
                raise
        raise AssertionError("one try at least")

    def _once(self, first: int, last: int) -> tuple[Mark, bytes]:
        deadline = self._deadline(last - first)
        try:
            answer = self._asked(first, last)
            if answer.status in PASSING:
                pause = pause_seconds(answer, _MOST_PAUSE_SECONDS)
                raise _Passing(answered(answer.status), pause)
            mark = read_mark(self.remote, answer, first, last)
            wanted = min(last, mark.size - 1) - first + 1
            return mark, self._body(answer, wanted, deadline)
        except (OSError, HTTPException) as error:
            raise _Passing(say("is away, silent, or ended its answer too soon")) from error

    def _deadline(self, count: int) -> float:
        now = time.monotonic()
        latest = now + self.seconds + count / _LEAST_BYTES_A_SECOND
        if self.remote.deadline is None:
            return latest
        if now > self.remote.deadline:
            raise away(self.remote, say("takes longer than anybody waits"))
        return min(latest, self.remote.deadline)

    def _asked(self, first: int, last: int) -> HTTPResponse:
        """Ask for a range, where the server sends elsewhere there, if that is allowed."""
        url, prefix = self.remote.url, prefix_of(self.remote.url, self.remote.name)
        for _ in range(_MOST_REDIRECTS + 1):
            answer = self._sent(url, prefix, first, last)
            if answer.status not in _REDIRECTS:
                return answer
            self.close()
            url = _following(url, answer.headers.get("Location") or "")
            following = find_prefix(url)
            if following is None:
                raise DatasetError(
                    say(
                        "the server of {name} sends to an address that this site may not read",
                        name=self.remote.name,
                    ),
                    field="source",
                    hint=say(
                        "Whoever runs the site lists what may be read: "
                        "MARINEMAP_SOURCE_PREFIXES=https://host/folder/"
                    ),
                )
            prefix = following
        raise DatasetError(
            say(
                "the server of {name} sends from one address to another without end",
                name=self.remote.name,
            ),
            field="source",
        )

    def _sent(self, url: str, prefix: Prefix, first: int, last: int) -> HTTPResponse:
        parts = urlsplit(_address(url, prefix))
        connection = self._connected(parts)
        headers = {
            "Range": f"bytes={first}-{last}",
            "Accept-Encoding": "identity",
            "User-Agent": "MarineMap",
        }
        if prefix.authorization:
            headers["Authorization"] = prefix.authorization
        mark = self.remote.mark
        if mark is not None and mark.tag.startswith('"'):
            # A weak tag matches nothing (RFC 9110, 13.1.1).
            headers["If-Match"] = mark.tag
        self.requests += 1
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        with cut_after(self._patience, connection):
            connection.request("GET", target, headers=headers)
            return connection.getresponse()

    @property
    def _patience(self) -> float:
        if self.remote.deadline is None:
            return self.seconds
        return max(0.1, min(self.seconds, self.remote.deadline - time.monotonic()))

    def _connected(self, parts: SplitResult) -> HTTPConnection:
        server = (parts.scheme, parts.hostname or "", parts.port)
        if self._connection is None or self._server != server:
            self.close()
            kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
            self._connection = kind(server[1], parts.port, timeout=self._patience)
            self._server = server
        return self._connection

    def _body(self, answer: HTTPResponse, wanted: int, deadline: float) -> bytes:
        pieces, left = [], wanted
        while left:
            piece = answer.read1(min(left, _PIECE_BYTES))
            if not piece:
                raise OSError(f"{left:,} bytes are missing")
            pieces.append(piece)
            left -= len(piece)
            if left and time.monotonic() > deadline:
                raise TimeoutError("too slow")
        self.bytes_read += wanted
        if not answer.isclosed() and answer.read1(1):
            raise OSError("more bytes than stated")
        # Python 3.11 leaves one that was read to its end open: the next request on the connection
        # would fail.
        answer.close()
        return b"".join(pieces)


def _following(url: str, location: str) -> str:
    """Return where a server sends to; nowhere where that cannot be read."""
    try:
        return urljoin(url, location)
    except ValueError:
        return ""


def _address(url: str, prefix: Prefix) -> str:
    """Return what is asked for: with what the prefix adds, or signed."""
    if prefix.scheme == "s3":
        # Imported here: it is an extra, and takes long to import.
        from marinemap.extraction.remote.s3 import signed

        return signed(url, prefix)
    parts = urlsplit(url)
    return parts._replace(query="&".join(filter(None, (parts.query, prefix.query)))).geturl()


class _Passing(Exception):
    """What may be otherwise in a moment; ``pause`` is what the server asks for."""

    def __init__(self, why: Sentence, pause: float | None = None) -> None:
        super().__init__(why)
        self.why, self.pause = why, pause


@contextmanager
def reading(remote: Remote) -> Iterator[Ranges]:
    """Read ranges of a file, of one state: of the one that is named, or the one it has now.

    Raises
    ------
    DatasetError, UnavailableError
        If it cannot be read.
    """
    with closing(Ranges(remote, silent_seconds())) as ranges:
        if remote.mark is None:
            ranges.remote = remote.at(ranges.look())
        yield ranges
