"""A site's part of a bucket: whatever is asked or done, it concerns names below the site's own."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, BinaryIO

from marinemap.jobs.conf import StorageSettings
from marinemap.jobs.storage.clients import link_client, look_client, work_client
from marinemap.jobs.storage.errors import code_of, in_words, told_away
from marinemap.jobs.storage.reading import StoredFile
from marinemap.jobs.storage.removing import remove_each
from marinemap.jobs.storage.uploading import upload

_NOT_THERE = ("404", "NoSuchKey", "NotFound")
# What one request may copy (Amazon S3, CopyObject).
MOST_COPIED_BYTES = 5 * 1024**3
# Read ahead by as much: of an archive its end, then the reports.
_BUFFER_BYTES = 256 * 1024
# It is written before each run, to see that the bucket takes what comes.
_PROBE = ".in-use"


@dataclass(frozen=True)
class Stored:
    """An object as the storage has it; ``etag`` is as in the header, with its quotes."""

    size_bytes: int
    etag: str
    modified_at: datetime


@dataclass(frozen=True)
class Found:
    """An object, or an upload that never ended, and its age by the storage's own clock."""

    name: str
    age_seconds: float
    upload_id: str = ""


@dataclass(frozen=True)
class Bucket:
    """The objects of a site, by their names.

    Each method raises :class:`StorageAwayError` where the storage does not answer or refuses.

    Parameters
    ----------
    settings : StorageSettings
    mark : str
        The site's own: what stands in the keys before a name, so that of two sites with one bucket
        neither sees what the other has.
    """

    settings: StorageSettings
    mark: str

    @property
    def folder(self) -> str:
        """What all keys of the site begin with."""
        return f"{self.settings.prefix}{self.mark}/"

    def upload(self, path: Path, heed: Callable[[float], None]) -> None:
        """Send a file under its name; see :func:`marinemap.jobs.storage.uploading.upload`."""
        client = work_client(self.settings)
        upload(client, self.settings.bucket, f"{self.folder}{path.name}", path, heed)

    def look(self, name: str) -> Stored | None:
        """Return an object as it is there; None if it is not."""
        client = look_client(self.settings)
        with in_words():
            try:
                found = client.head_object(**self._named(name))
            except client.exceptions.ClientError as error:
                if code_of(error) not in _NOT_THERE:
                    raise
                # Of an object in a bucket that is not there, HEAD tells the same.
                client.head_bucket(Bucket=self.settings.bucket)
                return None
        return Stored(found["ContentLength"], found["ETag"], found["LastModified"])

    def link(self, name: str, seconds: float, headers: dict[str, str]) -> str:
        """Return a link that gives an object to whoever has it, for a while.

        Parameters
        ----------
        name : str
        seconds : float
        headers : dict
            What the answer says of it, by names as ``ContentType``.
        """
        answered = {f"Response{header}": value for header, value in headers.items()}
        with in_words():
            link: str = link_client(self.settings).generate_presigned_url(
                "get_object", {**self._named(name), **answered}, ExpiresIn=max(1, int(seconds))
            )
        return link

    def open(self, name: str) -> BinaryIO | None:
        """Open an object for reading by ranges; None if it is not there."""
        stored = self.look(name)
        if stored is None:
            return None
        client, named = look_client(self.settings), self._named(name)
        return io.BufferedReader(StoredFile(client, named, stored.size_bytes), _BUFFER_BYTES)

    def copy(self, name: str, other: str, *, at_once: bool) -> None:
        """Have the storage copy an object of 5 GB at most, whole or not at all.

        Parameters
        ----------
        name, other : str
        at_once : bool
            Whether somebody waits for it: a large one takes the storage longer than that.
        """
        client = look_client(self.settings) if at_once else work_client(self.settings)
        with in_words():
            client.copy_object(**self._named(other), CopySource=self._named(name))

    def remove_each(self, names: Iterable[str]) -> Iterator[str]:
        """Remove objects, if they are there; yield each that is gone."""
        client = look_client(self.settings)
        return remove_each(client, self.settings.bucket, self.folder, names)

    def objects(self) -> Iterator[Found]:
        """Yield what the site has."""
        for page in self._pages("list_objects_v2"):
            now = _time_of(page)
            for each in page.get("Contents", []):
                age_seconds = (now - each["LastModified"]).total_seconds()
                yield Found(each["Key"].removeprefix(self.folder), age_seconds)

    def unfinished(self) -> Iterator[Found]:
        """Yield the uploads that began and never ended."""
        for page in self._pages("list_multipart_uploads"):
            now = _time_of(page)
            for each in page.get("Uploads", []):
                name = each["Key"].removeprefix(self.folder)
                age_seconds = (now - each["Initiated"]).total_seconds()
                yield Found(name, age_seconds, each["UploadId"])

    def abort(self, found: Found) -> None:
        """Remove the pieces of an upload that never ended."""
        client = work_client(self.settings)
        with in_words():
            try:
                client.abort_multipart_upload(**self._named(found.name), UploadId=found.upload_id)
            except client.exceptions.NoSuchUpload:
                # It has ended since, or been removed.
                return

    def probe(self) -> None:
        """Write a small object, as a result would be."""
        with in_words():
            look_client(self.settings).put_object(**self._named(_PROBE), Body=b"")

    def _pages(self, operation: str) -> Iterator[dict[str, Any]]:
        with in_words():
            pages = work_client(self.settings).get_paginator(operation)
            yield from pages.paginate(Bucket=self.settings.bucket, Prefix=self.folder)

    def _named(self, name: str) -> dict[str, str]:
        return {"Bucket": self.settings.bucket, "Key": f"{self.folder}{name}"}


def _time_of(page: dict[str, Any]) -> datetime:
    """Return when the storage answered, by its own clock."""
    stamp = page["ResponseMetadata"]["HTTPHeaders"].get("date")
    try:
        told = parsedate_to_datetime(stamp) if stamp else datetime.now(UTC)
    except ValueError as error:
        # Nothing is removed by a clock that cannot be read.
        raise told_away("the storage of results does not tell the time", error) from error
    # Of two, as where a proxy adds its own, the zone is not read. All are in UTC (RFC 9110, 6.6.1).
    return told if told.tzinfo else told.replace(tzinfo=UTC)
