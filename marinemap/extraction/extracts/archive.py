"""The zip: packed beside its destination, made durable, then put in place in one step."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from marinemap.errors import ServiceError
from marinemap.extraction.extracts.deflate import Deflated, deflate_chunks, deflate_file

# PKWARE APPNOTE 6.3.9: sections 4.3.7 (local header), 4.3.12 (central directory), 4.3.14-16 (end).
_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_END_64, _LOCATOR_64 = b"PK\x06\x06", b"PK\x06\x07"
_DEFLATED = 8
_UTF8_NAMES = 0x0800
_NEEDS_ZIP64 = 45
_MADE_ON_UNIX = 3 << 8 | _NEEDS_ZIP64
_MODE = 0o100644 << 16
_ZIP64_EXTRA = 1
_ALL_ONES = 0xFFFFFFFF
# The earliest time that a zip can state; it stands where no time is given.
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Member:
    """A file in the archive: its name, SHA-256 of its content and lengths in bytes."""

    name: str
    sha256: str
    size_bytes: int
    compressed_bytes: int


@dataclass(frozen=True)
class _Entry:
    name: bytes
    offset: int
    deflated: Deflated


class ArchiveWriter:
    """A zip being written. Members are stored by name, in the order given, each name once.

    Nothing in it depends on the moment or the machine: the same members give the same bytes.
    Every size is written in 64 bits (zip64), so that no member is too large.

    Parameters
    ----------
    file : binary file
        Empty, open for writing.
    made_at : datetime, optional
        The time that all members carry; 1 January 1980 by default.
    """

    def __init__(self, file: BinaryIO, made_at: datetime | None = None) -> None:
        self._file = file
        self._stamp = _dos_time(made_at)
        self._entries: list[_Entry] = []
        self._names: set[str] = set()

    def add(
        self, path: Path, advance: Callable[[int], None] | None = None, name: str | None = None
    ) -> Member:
        """Append a file. ``advance`` is called with the bytes read so far, piece by piece."""
        return self._add(name or path.name, lambda: deflate_file(path, self._file, advance))

    def add_text(self, name: str, text: str) -> Member:
        """Append a text as UTF-8."""
        return self._add(name, lambda: deflate_chunks(iter([text.encode()]), self._file))

    def close(self) -> None:
        """Write the directory, which makes the zip whole; the file stays open."""
        start = self._file.tell()
        for entry in self._entries:
            self._file.write(_central_header(entry, self._stamp))
        self._file.write(_end_records(len(self._entries), start, self._file.tell() - start))

    def _add(self, name: str, deflate: Callable[[], Deflated]) -> Member:
        # Upper and lower case are one to some file systems: what unpacks there would ask.
        if name.lower() in self._names:
            raise ServiceError(f"the archive has a file '{name}' already; none may come twice")
        self._names.add(name.lower())
        raw = name.encode()
        offset = self._file.tell()
        empty = Deflated(0, "", 0, 0)
        self._file.write(_local_header(_Entry(raw, offset, empty), self._stamp))
        deflated = deflate()
        end = self._file.tell()
        entry = _Entry(raw, offset, deflated)
        self._file.seek(offset)
        self._file.write(_local_header(entry, self._stamp))
        self._file.seek(end)
        self._entries.append(entry)
        return Member(name, deflated.sha256, deflated.size_bytes, deflated.compressed_bytes)


@contextmanager
def new_archive(destination: Path, made_at: datetime | None = None) -> Iterator[ArchiveWriter]:
    """Open a zip that appears at its destination whole or not at all.

    Parameters
    ----------
    destination : Path
        Replaced if it exists, once the block ends without an error.
    made_at : datetime, optional
        The time that all members carry.
    """
    partial = destination.with_name(f".{destination.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            archive = ArchiveWriter(file, made_at)
            yield archive
            archive.close()
            # Without both fsyncs a power cut leaves a short or empty file under the final name:
            # seen on ext4, where every file younger than half a second was lost.
            file.flush()
            os.fsync(file.fileno())
        partial.replace(destination)
        sync_folder(destination.parent)
    finally:
        partial.unlink(missing_ok=True)


def sync_folder(path: Path) -> None:
    """Let the names in a folder outlast a power cut."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _local_header(entry: _Entry, stamp: tuple[int, int]) -> bytes:
    done = entry.deflated
    extra = struct.pack("<HHQQ", _ZIP64_EXTRA, 16, done.size_bytes, done.compressed_bytes)
    fixed = (_NEEDS_ZIP64, _UTF8_NAMES, _DEFLATED, *stamp, done.crc32, _ALL_ONES, _ALL_ONES)
    lengths = (len(entry.name), len(extra))
    return _LOCAL + struct.pack("<HHHHHIIIHH", *fixed, *lengths) + entry.name + extra


def _central_header(entry: _Entry, stamp: tuple[int, int]) -> bytes:
    done = entry.deflated
    extra = struct.pack(
        "<HHQQQ", _ZIP64_EXTRA, 24, done.size_bytes, done.compressed_bytes, entry.offset
    )
    fixed = (_MADE_ON_UNIX, _NEEDS_ZIP64, _UTF8_NAMES, _DEFLATED, *stamp)
    sizes = (done.crc32, _ALL_ONES, _ALL_ONES, len(entry.name), len(extra))
    rest = (0, 0, 0, _MODE, _ALL_ONES)
    packed = struct.pack("<HHHHHHIIIHHHHHII", *fixed, *sizes, *rest)
    return _CENTRAL + packed + entry.name + extra


def _end_records(count: int, start: int, size: int) -> bytes:
    end_64 = _END_64 + struct.pack(
        "<QHHIIQQQQ", 44, _MADE_ON_UNIX, _NEEDS_ZIP64, 0, 0, count, count, size, start
    )
    locator = _LOCATOR_64 + struct.pack("<IQI", 0, start + size, 1)
    ones = 0xFFFF
    end = _END + struct.pack(
        "<HHHHIIH", 0, 0, min(count, ones), min(count, ones), *(_ALL_ONES,) * 2, 0
    )
    return end_64 + locator + end


def _dos_time(made_at: datetime | None) -> tuple[int, int]:
    """Return time and date as MS-DOS keeps them, to two seconds."""
    year, month, day, hour, minute, second = made_at.timetuple()[:6] if made_at else _EPOCH
    return hour << 11 | minute << 5 | second // 2, (year - 1980) << 9 | month << 5 | day
