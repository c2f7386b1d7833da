"""One schedule for a site: which of the beats that run follows it, and who sees that one does."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import time
from datetime import datetime, timedelta

from django.db import Error, IntegrityError, transaction
from django.db.models import Q
from django.db.models.functions import Now

from marinemap.jobs.models import BeatSighting
from marinemap.tasks.outages import drop_connection

logger = logging.getLogger(__name__)

_RENEW_EVERY_SECONDS = 5
# By the database's clock, for machines' clocks differ. A beat that is stopped or cut off for
# longer has lost the schedule to another.
_LEASE = timedelta(seconds=30)


def process_name(process_id: int) -> str:
    """Return what the names of a process's beats begin with."""
    return f"{socket.gethostname()}:{process_id}:"


class ScheduleLease:
    """A beat's claim to be the one that follows the schedule; others stand by."""

    def __init__(self) -> None:
        # Processes in containers may have the same host name and number.
        self.name = process_name(os.getpid()) + secrets.token_hex(4)
        self._is_held = False
        self._renewed_at = float("-inf")

    def is_held(self) -> bool:
        """Tell whether this beat may set off tasks now; asks the database every few seconds.

        False where the database is away, for another may have taken over meanwhile.
        """
        now = time.monotonic()
        if now - self._renewed_at >= _RENEW_EVERY_SECONDS:
            # From before the question: a process may be stopped while it asks.
            self._is_held, self._renewed_at = self._renew(), now
        return self._is_held

    def _renew(self) -> bool:
        try:
            return _renew(self.name)
        except IntegrityError:
            return False  # Another took it in the same moment.
        except Error as error:
            logger.warning("The schedule waits for the database: %s", error)
            drop_connection()
            return False

    def give_up(self) -> None:
        """Let another beat take over at once."""
        self._is_held, self._renewed_at = False, time.monotonic()
        with contextlib.suppress(Error):
            BeatSighting.objects.filter(name=self.name).delete()


def count_beats() -> tuple[int, bool]:
    """Return how many beats live, and whether one of them follows the schedule."""
    holding = list(BeatSighting.objects.exclude(_is_stale()).values_list("is_holder", flat=True))
    return len(holding), any(holding)


def last_tick() -> datetime | None:
    """Return when the beat that follows the schedule gave its last sign of life, if any does."""
    return BeatSighting.objects.filter(is_holder=True).values_list("seen_at", flat=True).first()


def find_caretakers() -> set[tuple[str, int]]:
    """Return host name and process id of each process that lives and has a beat."""
    names = BeatSighting.objects.exclude(_is_stale()).values_list("name", flat=True)
    parts = (name.rsplit(":", 2) for name in names)
    return {(host, int(process_id)) for host, process_id, _ in parts}


def was_seen(process_id: int) -> bool:
    """Tell whether a beat of a process of this machine has given a sign of life lately."""
    own = BeatSighting.objects.filter(name__startswith=process_name(process_id))
    return own.exclude(_is_stale()).exists()


def _renew(name: str) -> bool:
    with transaction.atomic():
        BeatSighting.objects.filter(_is_stale()).exclude(name=name).delete()
        is_taken = BeatSighting.objects.filter(is_holder=True).exclude(name=name).exists()
        seen = {"seen_at": Now(), "is_holder": not is_taken}
        if not BeatSighting.objects.filter(name=name).update(**seen):
            BeatSighting.objects.create(name=name, **seen)
    return not is_taken


def _is_stale() -> Q:
    # A time ahead of the database's is from before its clock was set back.
    return Q(seen_at__lt=Now() - _LEASE) | Q(seen_at__gt=Now() + _LEASE)
