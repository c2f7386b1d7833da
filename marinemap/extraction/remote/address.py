"""The address of a file on a server, and the state of it that is read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from marinemap.errors import DatasetError, quote
from marinemap.sentences import Sentence, say

_SCHEMES = ("https", "http", "s3")
_SUFFIXES = (".parquet", ".geoparquet", ".fgb")


@dataclass(frozen=True)
class Mark:
    """By what a server tells one state of a file from another: tag, time of change, bytes."""

    tag: str
    changed: str
    size: int

    @property
    def digest(self) -> str:
        """Hexadecimal digits that differ between states."""
        return hashlib.sha256(repr(self).encode()).hexdigest()

    @property
    def short(self) -> str:
        """Some of these digits: what the catalogue keeps."""
        return self.digest[:16]


@dataclass(frozen=True)
class Remote:
    """A file on a server; stands where a path does.

    ``mark`` names a state of the file: with it all that is read is of that state. ``deadline`` is
    the moment (``time.monotonic``) until which somebody waits. There is never a password or a
    signature in it.
    """

    url: str
    mark: Mark | None = None
    deadline: float | None = field(default=None, compare=False)

    @classmethod
    def parse(cls, address: str) -> Remote:
        """Read an address: ``https://data.example.org/maps/reefs.parquet``, ``s3://bucket/key``.

        Raises
        ------
        DatasetError
            If it cannot be read, or holds a password or a query. It is not repeated then.
        """
        try:
            parts = urlsplit(address)
            has_secret = bool(parts.username or parts.password or parts.query)
            host, _ = parts.hostname, parts.port
        except ValueError as error:
            raise _refused(say("the address of a file cannot be read")) from error
        if has_secret or parts.fragment:
            raise _refused(say("the address of a file holds a password, a query or a fragment"))
        if (
            not host
            or not is_plain(parts.path)
            or not address.isascii()
            or not address.isprintable()
            or " " in address
        ):
            raise _refused(say("'{address}' is no address of a file", address=quote(address)))
        remote = cls(
            parts._replace(scheme=parts.scheme.lower(), netloc=parts.netloc.lower()).geturl()
        )
        if remote.suffix.lower() not in _SUFFIXES:
            raise DatasetError(
                say(
                    "{name} is neither GeoParquet nor FlatGeobuf by its name ({suffixes}): no "
                    "other format is read from a server",
                    name=remote.name,
                    suffixes=", ".join(_SUFFIXES),
                ),
                field="source",
                value=remote.name,
            )
        return remote

    def __str__(self) -> str:
        """Return the address."""
        return self.url

    @property
    def name(self) -> str:
        """The file's name."""
        return self._path.name

    @property
    def stem(self) -> str:
        """The file's name without its suffix."""
        return self._path.stem

    @property
    def suffix(self) -> str:
        """The file's suffix, with its dot."""
        return self._path.suffix

    @property
    def _path(self) -> PurePosixPath:
        return PurePosixPath(unquote(urlsplit(self.url).path))

    def at(self, mark: Mark | None) -> Remote:
        """Return the file in one of its states; in any where it is None."""
        return replace(self, mark=mark)

    def until(self, deadline: float) -> Remote:
        """Return the file as somebody reads it who waits until a moment, and no longer."""
        return replace(self, deadline=deadline)


def is_remote(text: str) -> bool:
    """Tell whether a text is the address of a file on a server, rather than a path."""
    return text.partition("://")[0].lower() in _SCHEMES


def is_plain(path: str) -> bool:
    """Tell whether a path leads where it seems to: servers take some signs for others."""
    decoded = unquote(path)
    steps = decoded.split("/")
    is_straight = not {".", ".."} & set(steps) and "\\" not in decoded and "%" not in decoded
    return is_straight and decoded.isprintable() and not set(";?#") & set(decoded)


def _refused(message: Sentence) -> DatasetError:
    return DatasetError(
        message,
        field="source",
        hint=say(
            "Write https://host/folder/file.parquet or s3://bucket/file.parquet. Passwords and "
            "signatures belong to the prefix in MARINEMAP_SOURCE_PREFIXES."
        ),
    )
