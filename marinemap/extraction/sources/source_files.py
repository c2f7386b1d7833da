"""The files that a source is made of: whether they are the same as before, and all of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from marinemap.errors import DatasetError, ServiceError, quote
from marinemap.extraction.place import Place
from marinemap.extraction.postgis.table import Table
from marinemap.extraction.remote.address import Mark, Remote
from marinemap.extraction.sources import known_suffixes, source_format_of
from marinemap.extraction.sources.sqlite_source import watched
from marinemap.sentences import say

_CHUNK_BYTES = 1 << 20
# pyogrio takes a path for an address, whose last part ends at one, and begins after the other;
# signs below the blank are left out of it.
_CUT_AT = ";!"
_FOLDER_SUFFIX = ".gdb"
_NAMED_OF_FOLDER = 5
P = TypeVar("P", Path, Table, Remote, Place)


class SourceChangedError(DatasetError):
    """The source was changed while it was read; read again, it may be right."""


def parts_of(path: Path) -> list[Path]:
    """Return the files that hold a dataset: all of a folder's, or those beside the one named."""
    return source_format_of(path).parts(path)


def check_is_file(path: Path) -> None:
    """Refuse what is neither a file nor a folder.

    Raises
    ------
    DatasetError
    """
    if not path.exists():
        raise DatasetError(
            say("there is no file {name}", name=path.name), field="source", value=path.name
        )
    if odd := next((sign for sign in path.name if sign in _CUT_AT or ord(sign) < ord(" ")), None):
        raise DatasetError(
            say(
                "the name of '{name}' has the sign {sign}, at which it is cut when it is opened",
                name=quote(path.name),
                sign=repr(odd),
            ),
            field="source",
            value=path.name,
            hint=say("Give the file another name."),
        )
    if path.is_dir() and path.suffix.lower() != _FOLDER_SUFFIX:
        raise _is_folder(path)
    if not path.is_file() and not path.is_dir():
        # Reading a pipe would wait for whoever writes into it.
        raise DatasetError(
            say(
                "{name} is neither a file nor a folder, but a pipe, a socket or a device",
                name=path.name,
            ),
            field="source",
            value=path.name,
        )


def _is_folder(path: Path) -> DatasetError:
    """Return what to say of a folder: nobody knows which of its files make a layer change."""
    files = sorted(part.name for part in path.iterdir() if part.suffix.lower() in known_suffixes())
    return DatasetError(
        say("{name} is a folder, and no file geodatabase (.gdb)", name=path.name),
        field="source",
        value=path.name,
        hint=say("Name a file in it: {files}.", files=quote(", ".join(files[:_NAMED_OF_FOLDER])))
        if files
        else say("Name a file."),
    )


def fingerprint(path: Place) -> str:
    """Return a cheap mark that changes when a file is replaced or written to, or a table is.

    Raises
    ------
    DatasetError
        If the file is gone.
    UnavailableError
        If it is a table whose server is away.
    """
    if isinstance(path, Table):
        # Imported here, as below: it takes long to import, and files need none of it.
        from marinemap.extraction.postgis.described import fingerprint_of

        return fingerprint_of(path)
    if isinstance(path, Remote):
        return _state_of(path).short
    try:
        found = [(part.name, part.stat()) for part in parts_of(real_path(path))]
    except OSError as error:
        raise DatasetError(
            say("there is no file {name}", name=path.name), field="source", value=path.name
        ) from error
    # The number of the file tells a replacement that has the size and the time of the old one.
    marks = [(name, mark.st_size, mark.st_mtime_ns, mark.st_ino) for name, mark in found]
    return hashlib.sha256(repr(marks).encode()).hexdigest()[:16]


@contextmanager
def unchanged(path: Place) -> Iterator[Place]:
    """Do something with one state of a source; yield where that state is.

    It is a file's own path, and the file must outlast it. Of a table it is a snapshot, which
    others may write past.

    Raises
    ------
    SourceChangedError
        If the file was changed, replaced or removed meanwhile, whatever else failed for it.
    UnavailableError
        If it is a table whose server is away.
    """
    if isinstance(path, Table):
        from marinemap.extraction.postgis.session import held

        with held(path) as table:
            yield table
        return
    if isinstance(path, Remote):
        # Each answer is looked at for its state.
        yield path.at(_state_of(path, is_fresh=True))
        return
    before = fingerprint(path)
    with watched(real_path(path)) as has_commits:
        try:
            yield path
        except (DatasetError, ServiceError) as error:
            _check_same(path, before, has_commits, error)
            raise
        _check_same(path, before, has_commits, None)


@contextmanager
def one_state(path: Place) -> Iterator[Place]:
    """Yield where one state of a table is; a file, which is looked at afterwards, is where it is.

    Raises
    ------
    DatasetError, UnavailableError
        If it is a table that cannot be read now.
    """
    if isinstance(path, Table):
        from marinemap.extraction.postgis.session import held

        with held(path) as table:
            yield table
    elif isinstance(path, Remote):
        yield in_its_state(path)
    else:
        yield path


def in_its_state(path: Place) -> Place:
    """Return a file on a server in the state that it has; what else is read is where it is.

    Raises
    ------
    DatasetError, UnavailableError
        If it cannot be read now.
    """
    return path.at(_state_of(path)) if isinstance(path, Remote) else path


def content_version(path: Place) -> str:
    """Return twelve hexadecimal digits that change whenever the content of a source does.

    Reads every byte of the file, of those beside it that belong to it (shapefile, MapInfo), and
    of all in a folder such as a file geodatabase.
    """
    if isinstance(path, Table):
        from marinemap.extraction.postgis.described import version_of

        return version_of(path)
    if isinstance(path, Remote):
        return _state_of(path).digest[:12]
    digest = hashlib.sha256()
    for part in parts_of(real_path(path)):
        if part.is_file():
            with part.open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    digest.update(chunk)
    return digest.hexdigest()[:12]


def without_folder(error: Exception, path: Path) -> str:
    """Return an error's text with the file's name in place of its path, which users never see."""
    names = (source_format_of(path).name_for_gdal(path), str(path.absolute()), str(path))
    text = str(error)
    for name in names:
        text = text.replace(name, path.name)
    return text


def real_path(path: P) -> P:
    """Return where a path leads, links followed; what is on a server is where it is."""
    if isinstance(path, Table | Remote):
        return path
    return type(path)(os.path.realpath(path))


def _state_of(remote: Remote, *, is_fresh: bool = False) -> Mark:
    from marinemap.extraction.remote.states import state_of

    return remote.mark or state_of(remote, is_fresh=is_fresh)


def _check_same(
    path: Path, before: str, has_commits: Callable[[], bool], cause: Exception | None
) -> None:
    try:
        same = fingerprint(path) == before and not has_commits()
    except DatasetError:
        same = False
    if not same:
        raise SourceChangedError(
            say("{name} was changed while it was read", name=path.name),
            field="source",
            hint=say("Ask again; the new data will be used."),
        ) from cause
