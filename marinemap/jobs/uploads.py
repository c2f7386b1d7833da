"""Areas that people upload: read from their files, kept for a day, found again by their ids."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q, Sum
from django.utils import timezone

from marinemap.errors import RequestError
from marinemap.jobs.models import UploadedArea
from marinemap.jobs.owners import Sender
from marinemap.jobs.work_folders import private_folder
from marinemap.processes.uploaded_area import FoundArea, read_uploaded_area
from marinemap.sentences import say

KEPT = timedelta(days=1)
# Of one person; from one network address, which may be that of many, twice as many.
MOST_AREAS = 100
_MOST_TIMES = {"person": 1, "address": 2}
_MOST_KEPT_BYTES = 64 * 2**20
_WHOSE = {"person": say("of yours"), "address": say("from your network address")}


class TooManyAreasError(RequestError):
    """As many areas as the site keeps of a person are kept already."""

    retry_after_seconds = 3600


def check_room(sender: Sender) -> None:
    """Refuse one area more than are kept of a person, or from a network address.

    Raises
    ------
    TooManyAreasError
        With the limit.
    """
    # A cookie costs nothing: who has many is one address all the same.
    for whose, own in sender.counted():
        _check(own, _WHOSE[whose], _MOST_TIMES[whose])


def _check(own: Q, whose: str, times: int) -> None:
    kept = UploadedArea.objects.filter(own, expires_at__gt=timezone.now())
    count, size = kept.count(), kept.aggregate(all=Sum("bytes"))["all"] or 0
    most, most_bytes = times * MOST_AREAS, times * _MOST_KEPT_BYTES
    if count >= most or size >= most_bytes:
        raise TooManyAreasError(
            say(
                "{count} areas {whose} with {size:,} bytes are kept; at most "
                "{most} are, with {most_bytes:,} bytes",
                count=count,
                whose=whose,
                size=size,
                most=most,
                most_bytes=most_bytes,
            ),
            field="file",
            hint=say("DELETE one that you no longer need, or wait: each is kept for a day."),
        )


def read_upload(content: bytes, most_bytes: int) -> FoundArea:
    """Return the area that a file holds.

    Nothing of it stays behind when the process that reads it is killed, or this one is.

    Parameters
    ----------
    content : bytes
        See :func:`marinemap.extraction.read_area_file` for the formats.
    most_bytes : int
        How large it may be as GeoJSON.

    Raises
    ------
    RequestError
        If it holds no area, or is dear to read or too large.
    UnavailableError
        If others are being read just now.
    """
    with private_folder("area") as folder:
        path = folder / "upload"
        path.write_bytes(content)
        found = read_uploaded_area(path, folder)
    if len(found.geometry) > most_bytes:
        raise RequestError(
            say(
                "the area has {corners:,} corners, {size:,} bytes as GeoJSON; at most "
                "{most_bytes:,} bytes are kept",
                corners=found.corners,
                size=len(found.geometry),
                most_bytes=most_bytes,
            ),
            field="file",
            hint=say("Simplify the area, or cut it into several."),
        )
    return found


def keep(sender: Sender, title: str, found: FoundArea) -> UploadedArea:
    """Keep an area for a day."""
    return UploadedArea.objects.create(
        **vars(sender),
        title=title,
        bytes=len(found.geometry),
        expires_at=timezone.now() + KEPT,
        **vars(found),
    )


def find(area_id: str) -> UploadedArea | None:
    """Return an area whose day is not over."""
    return UploadedArea.objects.filter(pk=area_id, expires_at__gt=timezone.now()).first()


def claim_owner(area: UploadedArea) -> None:
    """Bind an area to the owner who has now shown the cookie that came with it."""
    UploadedArea.objects.filter(pk=area.pk).update(is_owner_known=True)


def forget_old() -> int:
    """Remove the areas whose day is over; return how many."""
    return UploadedArea.objects.filter(expires_at__lte=timezone.now()).delete()[0]
