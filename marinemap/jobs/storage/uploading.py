"""Send a file: in pieces, a few at a time, never visible by half, and compared at the end."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from marinemap.jobs.storage.errors import StorageAwayError, in_words
from marinemap.sentences import say

# So much is lost by a cut connection. An upload has 10,000 pieces at most (Amazon S3, limits).
_PIECE_BYTES = 16 * 1024 * 1024
_MOST_PIECES = 10_000
_AT_A_TIME = 4
_READ_BYTES = 1024 * 1024
_HEED_EVERY_SECONDS = 0.25

Heed = Callable[[float], None]


def upload(client: Any, bucket: str, key: str, path: Path, heed: Heed) -> None:
    """Send a file to a key, which nothing has yet, and make sure that it came whole.

    Parameters
    ----------
    client
        Of boto3.
    bucket, key : str
    path : Path
    heed : callable
        Called with the fraction sent, some times a second; what it raises ends the upload.

    Raises
    ------
    StorageAwayError
        If the storage does not take it; it has nothing of it then, or, where it did not answer,
        pieces that nobody sees.
    """
    size_bytes = path.stat().st_size
    piece_bytes = _piece_bytes(size_bytes)
    with in_words():
        _send(client, bucket, key, path, piece_bytes, heed)
        found = client.head_object(Bucket=bucket, Key=key)
        is_whole = found["ContentLength"] == size_bytes and (
            found["ETag"].strip('"') == _etag_of(path, piece_bytes)
            or _has_content_of(client, bucket, key, path)
        )
        if not is_whole:
            client.delete_object(Bucket=bucket, Key=key)
    if not is_whole:
        raise StorageAwayError(say("what came to the storage of results was not what was sent"))


def _piece_bytes(size_bytes: int) -> int:
    piece_bytes = _PIECE_BYTES
    while piece_bytes * _MOST_PIECES < size_bytes:
        piece_bytes *= 2
    return piece_bytes


def _send(client: Any, bucket: str, key: str, path: Path, piece_bytes: int, heed: Heed) -> None:
    from boto3.s3.transfer import TransferConfig, create_transfer_manager

    config = TransferConfig(
        multipart_threshold=piece_bytes,
        multipart_chunksize=piece_bytes,
        max_concurrency=_AT_A_TIME,
        preferred_transfer_client="classic",
    )
    sent = _Sent()
    size_bytes = max(1, path.stat().st_size)
    # Left by an error it ends what is under way, and takes back the pieces that came.
    with create_transfer_manager(client, config) as manager:
        under_way = manager.upload(str(path), bucket, key, subscribers=[sent])
        while not sent.is_over.wait(_HEED_EVERY_SECONDS):
            heed(min(1.0, sent.count_bytes / size_bytes))
        under_way.result()


class _Sent:
    """What came of an upload, as its threads tell (``s3transfer.subscribers``)."""

    def __init__(self) -> None:
        self.count_bytes = 0
        self.is_over = threading.Event()
        self._lock = threading.Lock()

    def on_queued(self, **_: Any) -> None:
        """Nothing is to be done yet."""

    def on_progress(self, bytes_transferred: int, **_: Any) -> None:
        """Count; a piece that is sent anew is taken off first."""
        with self._lock:
            self.count_bytes += bytes_transferred

    def on_done(self, **_: Any) -> None:
        """Let the waiting go on."""
        self.is_over.set()


def _etag_of(path: Path, piece_bytes: int) -> str:
    """Return the tag that most servers give a file, by the MD5 of its pieces."""
    digests = list(_digests(path, piece_bytes))
    if path.stat().st_size < piece_bytes:
        return digests[0].hex()
    whole = hashlib.md5(b"".join(digests), usedforsecurity=False)
    return f"{whole.hexdigest()}-{len(digests)}"


def _digests(path: Path, piece_bytes: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        # Of an empty one there is one, empty piece.
        for _ in range(0, max(1, path.stat().st_size), piece_bytes):
            yield _digest(file, piece_bytes)


def _digest(file: BinaryIO, most_bytes: int) -> bytes:
    digest, left = hashlib.md5(usedforsecurity=False), most_bytes
    while chunk := file.read(min(_READ_BYTES, left)):
        digest.update(chunk)
        left -= len(chunk)
    return digest.digest()


def _has_content_of(client: Any, bucket: str, key: str, path: Path) -> bool:
    """Read back what came: where contents are enciphered, say, the tag is of another kind."""
    body = client.get_object(Bucket=bucket, Key=key)["Body"]
    with body, path.open("rb") as file:
        return all(
            chunk == file.read(len(chunk)) for chunk in body.iter_chunks(_READ_BYTES)
        ) and not file.read(1)
