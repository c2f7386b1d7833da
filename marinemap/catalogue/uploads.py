"""Files that operators upload as layers: they arrive in pieces, and go a day after their last use.

In pieces, because a request is kept in memory or a temporary file by every server on its way, and
each has a limit of its own; what was cut off goes on where it ended.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import unicodedata
import uuid
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from marinemap.catalogue.layer_folders import upload_folder
from marinemap.catalogue.models import Layer, SourceLook, SourceToRead
from marinemap.errors import RequestError, UnavailableError
from marinemap.extraction import sync_folder
from marinemap.sentences import say

# Within what one request may have.
PIECE_BYTES = 4 * 2**20
# Uploads that no layer uses: somebody's who went away, or of a program that has gone mad.
_MOST_UNUSED = 20
_KEPT_UNUSED = timedelta(days=1)
_PART = "received"
_UPLOADED = re.compile(r".*/layers/(?P<id>[0-9a-f-]{36})/(?P<rest>.+)", re.DOTALL)


class WrongPlaceError(RequestError):
    """A piece does not begin where the one before it ended; ``received`` bytes are there."""

    def __init__(self, received: int) -> None:
        super().__init__(f"{received:,} bytes are there; go on from here", field="offset")
        self.received = received


def most_upload_bytes() -> int:
    """Return how large a file may be that is uploaded as a layer; 0 where none may."""
    return int(settings.MARINEMAP_MAX_LAYER_UPLOAD_MB) * 10**6


def begin(person_id: int, name: str, size: int, for_layer: str = "") -> SourceLook:
    """Make room for a file.

    Parameters
    ----------
    person_id : int
        Who uploads it.
    name : str
        What it is called there; never a name on this disk as it is.
    size : int
        Bytes.
    for_layer : str
        The layer of which it is to be a new version.

    Raises
    ------
    RequestError
        If it is empty or too large, or too many were uploaded that no layer uses.
    UnavailableError
        If the disk has not room for it twice, packed and unpacked.
    """
    _check_size(size)
    unused = SourceLook.objects.filter(kind=SourceLook.Kind.UPLOAD).exclude(pk__in=_used_ids())
    if unused.count() >= _MOST_UNUSED:
        raise RequestError(
            say(
                "{most} files were uploaded that no layer uses; discard one of "
                "them, or wait: each goes after a day",
                most=_MOST_UNUSED,
            ),
            field="file",
        )
    upload_folder().mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(upload_folder()).free < 2 * size:
        raise UnavailableError(
            say("the disk has not room for {size:,} bytes twice", size=size), field="file"
        )
    plain = unicodedata.normalize("NFC", Path(name.replace("\\", "/")).name)
    look = SourceLook.objects.create(
        person_id=person_id,
        kind=SourceLook.Kind.UPLOAD,
        name=plain.replace("\0", "")[:255] or "file",
        for_layer=for_layer,
        size_bytes=size,
        is_whole=False,
    )
    folder_of(look).mkdir()
    part_of(look).touch()
    return look


def _check_size(size: int) -> None:
    most = most_upload_bytes()
    if most == 0:
        raise RequestError(say("this site takes no uploads of layers"), field="file")
    if not 0 < size <= most:
        raise RequestError(
            say("the file has {size:,} bytes; 1 to {most:,} are taken", size=size, most=most),
            field="file",
            hint=say(
                "Zip it; or whoever runs the site copies it into a folder of "
                "MARINEMAP_LAYER_FOLDERS, or raises MARINEMAP_MAX_LAYER_UPLOAD_MB."
            ),
        )


def take(look: SourceLook, offset: int, content: bytes) -> int:
    """Add a piece to an upload; return how many bytes are there.

    Raises
    ------
    WrongPlaceError
        If it does not begin where the one before it ended: it came twice, or that was cut off.
    RequestError
        If the file would be larger than was said, or the upload is gone.
    UnavailableError
        If the disk is full; what was there stays.
    """
    try:
        file = os.open(part_of(look), os.O_WRONLY | os.O_APPEND)
    except FileNotFoundError as error:
        raise RequestError(say("this upload is over, or was discarded"), field="file") from error
    try:
        # Two pieces at once: the later finds the place taken.
        fcntl.flock(file, fcntl.LOCK_EX)
        received = os.fstat(file).st_size
        if offset != received:
            # The last piece, where it was written and nobody could be told.
            _end_if_whole(look, received)
            raise WrongPlaceError(received)
        if received + len(content) > look.size_bytes:
            raise RequestError(
                say("the file was said to have {size:,} bytes", size=look.size_bytes),
                field="file",
            )
        _write(file, content, received)
    finally:
        os.close(file)
    received += len(content)
    _end_if_whole(look, received)
    return received


def _end_if_whole(look: SourceLook, received: int) -> None:
    if received == look.size_bytes:
        sync_folder(folder_of(look))
        arrived = SourceLook.objects.filter(pk=look.pk, is_whole=False)
        arrived.update(is_whole=True, asked_at=timezone.now())


def _write(file: int, content: bytes, before: int) -> None:
    view = memoryview(content)
    try:
        while view:
            view = view[os.write(file, view) :]
        os.fsync(file)
    except OSError as error:
        os.ftruncate(file, before)
        raise UnavailableError(say("the disk is full; try again later"), field="file") from error


def part_of(look: SourceLook) -> Path:
    """Return where an upload arrives."""
    return folder_of(look) / _PART


def folder_of(look: SourceLook) -> Path:
    """Return the folder of an upload."""
    return upload_folder() / str(look.pk)


def begin_data_folder(look: SourceLook) -> Path:
    """Return an empty folder for the data of an upload; what an attempt left there is removed."""
    folder = folder_of(look) / "data"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def end_arrival(look: SourceLook) -> None:
    """Remove an upload as it arrived, once its data lie beside it."""
    part_of(look).unlink(missing_ok=True)


def remove_data(look: SourceLook) -> None:
    """Remove the files of an upload that was refused."""
    shutil.rmtree(folder_of(look), ignore_errors=True)


def discard(look: SourceLook) -> bool:
    """Remove what an operator pointed at, and the file of an upload; tell whether that was done.

    An upload that a layer uses stays.
    """
    if look.kind == SourceLook.Kind.UPLOAD:
        if look.pk in _used_ids():
            return False
        shutil.rmtree(folder_of(look), ignore_errors=True)
    look.delete()
    return True


def forget_old() -> list[str]:
    """Remove uploads that no layer has used for a day; return what they were called."""
    used, now = _used_ids(), timezone.now()
    looks = SourceLook.objects
    looks.filter(pk__in=used).exclude(unused_since=None).update(unused_since=None)
    looks.filter(unused_since=None).exclude(pk__in=used).update(unused_since=now)
    old = looks.filter(unused_since__lt=now - _KEPT_UNUSED)
    return [look.name for look in old if discard(look)]


def is_uploaded(source: str) -> bool:
    """Tell whether data are an upload's, which goes when no layer uses it any more."""
    return source.startswith(f"{upload_folder()}{os.sep}")


def upload_of(source: str) -> tuple[uuid.UUID, str] | None:
    """Return the upload that a path leads to, in whichever home, and what follows; None for none.

    A home that was moved has its uploads still, and layers that tell where they were.
    """
    found = _UPLOADED.fullmatch(source)
    return (uuid.UUID(found["id"]), found["rest"]) if found and is_id(found["id"]) else None


def place_in_home(source: str) -> Path | None:
    """Return where in the site's home an upload's file lies, in whichever home it was."""
    found = upload_of(source)
    return upload_folder() / str(found[0]) / found[1] if found else None


def _used_ids() -> set[uuid.UUID]:
    """Return the uploads that layers are served from, or are to be read from."""
    below = Q(source__contains=f"{os.sep}{upload_folder().name}{os.sep}")
    sources = Layer.objects.filter(below).values_list("source", flat=True)
    given = SourceToRead.objects.filter(below).values_list("source", flat=True)
    return {found[0] for source in (*sources, *given) if (found := upload_of(source))}


def is_id(name: str) -> bool:
    """Tell whether a name is an upload's."""
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False
