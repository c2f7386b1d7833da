"""Requests of one person or network are counted one after the other, whichever process has them."""

from __future__ import annotations

import time
import zlib

from django.db import connection

from marinemap.jobs.owners import Sender

_LOCK_CLASS = zlib.crc32(b"marinemap requests of") - 2**31
# A transaction that stands still for longer, of a process that was stopped, holds nobody up.
_WAIT_SECONDS, _PAUSE_SECONDS = 2.0, 0.01


def wait_for_turn(sender: Sender) -> None:
    """Wait until no other transaction stores a request of the sender, or of their network.

    It ends with the transaction that it is called in. On SQLite one transaction writes at a time as
    it is. On PostgreSQL two that come at once would each count without the other; where the other
    does not end within two seconds, they do.
    """
    if connection.vendor != "postgresql":
        return
    # In one order, so that no two wait for each other.
    for key in filter(None, (sender.owner, sender.address)):
        _lock(key)


def _lock(key: str) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    with connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))", [_LOCK_CLASS, key])
            (is_held,) = cursor.fetchone()
            if is_held or time.monotonic() > deadline:
                return
            time.sleep(_PAUSE_SECONDS)
