"""Which layers there are in what an operator points at: looked up by a process of the schedule.

In the web server a large file, a damaged one or a database that is away would hold up the site.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from django.conf import settings
from django.db.models import F
from django.utils import timezone

from marinemap.catalogue import uploads
from marinemap.catalogue.layer_folders import check_allowed, upload_folder
from marinemap.catalogue.models import SourceLook
from marinemap.catalogue.only_one import only_one
from marinemap.catalogue.reading import absolute
from marinemap.errors import DatasetError, MarineMapError, RequestError, UnavailableError
from marinemap.extraction import (
    Remote,
    Server,
    Table,
    allowed_servers,
    find_layers,
    look_apart,
    pick_among,
    place_of,
    prefix_of,
    server_of,
    unpack_layers,
)
from marinemap.sentences import say

# What ends its reader each time would keep all others from being looked at.
_MOST_ATTEMPTS = 3
_CUT_OFF = (
    f"looking at it was begun {_MOST_ATTEMPTS} times and ended without an answer each time; it may "
    "be damaged"
)
_MOST_LAYERS = 1_000
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
# What a zip may unpack to, in sizes of the largest upload: shapefiles are packed to a fifth.
_UNPACKED = 5


@dataclass(frozen=True)
class Offered:
    """A layer that was found: where it is, and why it cannot be served if that is known."""

    source: str
    layer: str
    kind: str
    refusal: str = ""


def begin_file(person_id: int, path: str, for_layer: str = "") -> SourceLook:
    """Have a file below an allowed folder looked at.

    Raises
    ------
    DatasetError
        If it lies elsewhere, or is none.
    """
    name = absolute(place_of(path))
    check_allowed(Path(name))
    return _begin(SourceLook.Kind.FILE, person_id, name, for_layer)


def begin_database(person_id: int, name: str, for_layer: str = "") -> SourceLook:
    """Have the tables of a database looked up that the operator allows.

    Raises
    ------
    RequestError
        If it is none of those.
    """
    _server(name)
    return _begin(SourceLook.Kind.DATABASE, person_id, name, for_layer)


def _begin(kind: SourceLook.Kind, person_id: int, name: str, for_layer: str) -> SourceLook:
    return SourceLook.objects.create(kind=kind, person_id=person_id, name=name, for_layer=for_layer)


def _server(name: str) -> Server:
    found = next((server for server in allowed_servers() if server.name == name), None)
    if found is None:
        raise RequestError(
            say("this database is none of those that layers may be read from"), field="database"
        )
    return found


def offered_by(look: SourceLook) -> list[Offered]:
    """Return the layers that were found."""
    return [Offered(**each) for each in look.layers or ()]


def check_given(source: str, source_layer: str) -> None:
    """Refuse a source that may not be added in the admin site, or a layer that it does not hold.

    Nothing is opened: what it holds is known where somebody had it looked at.

    Raises
    ------
    DatasetError
        In the words of ``manage.py addlayer``.
    """
    place = place_of(source)
    if isinstance(place, Table):
        server_of(place)
        return
    if isinstance(place, Remote):
        prefix_of(place.url, place.name)
        return
    known = _known_layers(source)
    if not (known and uploads.is_uploaded(source)):
        check_allowed(place)
    if known:
        pick_among(known, place, source_layer or None)


def _known_layers(source: str) -> list[str]:
    file = SourceLook.objects.filter(kind=SourceLook.Kind.FILE, name=source)
    folder = Path(source)
    if uploads.is_uploaded(source):
        name = folder.relative_to(upload_folder()).parts[0]
        file = SourceLook.objects.filter(pk=name) if uploads.is_id(name) else file.none()
    look = file.exclude(layers__isnull=True).order_by("-asked_at").first()
    return [each.layer for each in offered_by(look) if each.source == source] if look else []


def is_any_waiting() -> bool:
    """Tell whether something is to be looked at."""
    return _waiting() is not None


def look_waiting() -> Iterator[str]:
    """Look at all that waits, and yield what became of each.

    One process of a site does so at a time; in another this yields nothing.
    """
    with only_one(Path(settings.MARINEMAP_HOME) / ".looking") as is_first:
        while is_first and (look := _waiting()) is not None:
            yield f"{look}: {_look(look)}"


def _waiting() -> SourceLook | None:
    waiting = SourceLook.objects.filter(is_whole=True, layers__isnull=True, refusal="")
    return waiting.order_by("attempts", "asked_at").first()


def _look(look: SourceLook) -> str:
    same = SourceLook.objects.filter(pk=look.pk)
    if look.attempts >= _MOST_ATTEMPTS:
        return _refuse(look, _CUT_OFF)
    same.update(attempts=F("attempts") + 1)
    try:
        found = _find(look)[:_MOST_LAYERS]
        if not found:
            raise DatasetError(say("no layers were found there"))
    except MarineMapError as error:
        return _refuse(look, error.message)
    except OSError as error:
        if error.errno not in _DISK_FULL:
            raise
        _put_off(look)
        raise UnavailableError(say("the disk is full; try again later"), field="file") from error
    same.update(layers=[asdict(each) for each in found])
    if look.kind == SourceLook.Kind.UPLOAD:
        uploads.end_arrival(look)
    return f"{len(found)} layers"


def _put_off(look: SourceLook) -> None:
    """Have it looked at again by a later process: a full disk is no fault of what was uploaded."""
    # What was unpacked so far would keep the disk full for all others.
    shutil.rmtree(uploads.begin_data_folder(look), ignore_errors=True)
    # Behind the others, which may have room.
    again = {"attempts": look.attempts, "asked_at": timezone.now()}
    SourceLook.objects.filter(pk=look.pk).update(**again)


def _refuse(look: SourceLook, why: str) -> str:
    SourceLook.objects.filter(pk=look.pk).update(refusal=why[:500])
    if look.kind == SourceLook.Kind.UPLOAD:
        uploads.remove_data(look)
    return f"refused: {why}"


def _find(look: SourceLook) -> list[Offered]:
    if look.kind == SourceLook.Kind.DATABASE:
        return _tables(_server(look.name))
    if look.kind == SourceLook.Kind.FILE:
        check_allowed(Path(look.name))
        found = find_layers(Path(look.name))
        return [Offered(look.name, each.name, each.geometry_type, each.refusal) for each in found]
    return [
        Offered(str(path), each.name, each.geometry_type, each.refusal)
        for path in _unpacked(look)
        for each in look_apart(path)
    ]


def _unpacked(look: SourceLook) -> list[Path]:
    return unpack_layers(
        uploads.part_of(look),
        look.name,
        uploads.begin_data_folder(look),
        _UNPACKED * uploads.most_upload_bytes(),
    )


def _tables(server: Server) -> list[Offered]:
    # Imported here: PostgreSQL's client takes long to import, and files need none of it.
    from marinemap.extraction.postgis.listing import find_tables

    return [
        Offered(str(each.table), each.table.layer, each.geometry_type, each.refusal)
        for each in find_tables(server)
    ]
