"""Below which addresses the operator lets files be read, and how to sign in there."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from marinemap.errors import DatasetError
from marinemap.extraction.remote.address import is_plain
from marinemap.sentences import say

_PORTS = {"https": 443, "http": 80, "s3": 0}
_S3_OPTIONS = {"endpoint", "region"}


@dataclass(frozen=True)
class Prefix:
    """A beginning of addresses below which files may be read.

    User, password and ``query`` go with each request, or sign it; they are never shown. ``host`` is
    the bucket of an S3 storage, whose ``query`` says where it is.
    """

    scheme: str
    host: str
    port: int
    path: str
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    query: str = field(default="", repr=False)

    @classmethod
    def parse(cls, text: str) -> Prefix:
        """Read ``https://user:password@host:443/folder/?signature``, or a bucket.

        That is ``s3://key:secret@bucket/prefix/?endpoint=https://storage.example.org&region=...``.

        Raises
        ------
        ValueError
            If it cannot be read; it is not repeated.
        """
        parts, port = _split(text)
        if parts.scheme not in _PORTS or not parts.hostname or parts.fragment:
            raise ValueError("it is no address of https, http or s3")
        if not parts.path.endswith("/") or not is_plain(parts.path):
            raise ValueError("its path does not end with /, or holds '..', '%' or ';'")
        given = dict(parse_qsl(parts.query))
        if parts.scheme == "s3" and set(given) - _S3_OPTIONS:
            raise ValueError("of a bucket it has no options but endpoint and region")
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        port = port or _PORTS[parts.scheme]
        return cls(parts.scheme, parts.hostname, port, parts.path, user, password, parts.query)

    @property
    def authorization(self) -> str:
        """The header of that name, where there is a user (RFC 7617)."""
        if not self.user or self.scheme == "s3":
            return ""
        pair = f"{self.user}:{self.password}"
        return "Basic " + base64.b64encode(pair.encode()).decode()

    def holds(self, parts: SplitResult) -> bool:
        """Tell whether an address is below it."""
        same = (parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme))
        is_here = same == (self.scheme, self.host, self.port)
        return is_here and is_plain(parts.path) and parts.path.startswith(self.path)


@dataclass
class _Allowed:
    prefixes: tuple[Prefix, ...] = ()
    seconds: float = 30.0


_allowed = _Allowed()


def allow_prefixes(prefixes: Sequence[Prefix], seconds: float = 30.0) -> None:
    """Let files be read below some addresses, and nowhere else.

    Parameters
    ----------
    prefixes : sequence of Prefix
    seconds : float
        How long a server may be silent before it is taken for away.
    """
    _allowed.prefixes, _allowed.seconds = tuple(prefixes), seconds


def silent_seconds() -> float:
    """Return how long a server may be silent."""
    return _allowed.seconds


def _split(text: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(text)
        return parts, parts.port
    except ValueError:
        # Its words repeat what may be a part of a password.
        raise ValueError("its host or port cannot be read") from None


def find_prefix(url: str) -> Prefix | None:
    """Return the longest prefix that an address is below, if any."""
    try:
        parts = urlsplit(url)
        found = [prefix for prefix in _allowed.prefixes if prefix.holds(parts)]
    except ValueError:
        return None
    return max(found, key=lambda prefix: len(prefix.path), default=None)


def prefix_of(url: str, name: str) -> Prefix:
    """Return the prefix that a file is below.

    Raises
    ------
    DatasetError
        If the operator lists none.
    """
    found = find_prefix(url)
    if found is None:
        raise DatasetError(
            say(
                "{name} is on a server, or in a folder of it, that this site may not read",
                name=name,
            ),
            field="source",
            hint=say(
                "Whoever runs the site lists what may be read: "
                "MARINEMAP_SOURCE_PREFIXES=https://host/folder/"
            ),
        )
    return found
