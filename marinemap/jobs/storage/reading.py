"""An object as a file: read by ranges, so that of a large one no more comes than is looked at."""

from __future__ import annotations

import io
from typing import Any

from marinemap.jobs.storage.errors import in_words


class StoredFile(io.RawIOBase):
    """The content of an object.

    Parameters
    ----------
    client
        Of boto3.
    named : dict
        Bucket and key.
    size_bytes : int
    """

    def __init__(self, client: Any, named: dict[str, str], size_bytes: int) -> None:
        self._client, self._named, self._size_bytes = client, named, size_bytes
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # any buffer
        content = self._read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def readall(self) -> bytes:
        """Return the rest at once; by itself it would be asked for in pieces of 8 kB."""
        return self._read(self._size_bytes)

    def _read(self, most_bytes: int) -> bytes:
        end = min(self._position + most_bytes, self._size_bytes)
        if end <= self._position:
            return b""
        with in_words():
            asked = f"bytes={self._position}-{end - 1}"
            found = self._client.get_object(**self._named, Range=asked)
            content: bytes = found["Body"].read()
        self._position += len(content)
        return content

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size_bytes}
        self._position = max(0, base[whence] + offset)
        return self._position

    def tell(self) -> int:
        return self._position
