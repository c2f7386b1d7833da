"""Life on PostgreSQL: renewals of a row, and, on the same machine, the process itself."""

from __future__ import annotations

import os
import socket
import zlib
from pathlib import Path

from .contract import Row, Session
from .machine import boot_id
from .observation import NOTE_LIFE, Observation

# Where /proc/PID/stat says when the process began, counted behind the name (proc(5)).
_START_FIELD = 22 - 3
# A process is told from others of its number by its start; the rest of 63 bits is for its place.
_START_BITS = 32
# What a process must share with another for their numbers and their clock to be the same.
_NAMESPACES = ("pid", "time")


class RenewedLife:
    """Renewing the row is the sign of life, which the consumer does itself.

    A lease has to be watched to its end, for nobody may believe a clock. But a process of this
    machine that has ended is dead at once, whoever of its machine looks first: its number is
    free, or belongs to one that began at another time. Of a process elsewhere, or in another
    container, nothing can be seen in this way, and nothing is concluded.
    """

    def __init__(self, lease_seconds: float) -> None:
        self._observation = Observation(lease_seconds)

    def begin(self, session: Session, consumer_id: str) -> None:
        """Note what tells this process from others; run it in the transaction of the row."""
        place, started = _place(), _start_of(os.getpid())
        if place is not None and started is not None:
            mark = place << _START_BITS | started
            session.run(NOTE_LIFE, consumer_id=consumer_id, lock_offset=mark)

    def end(self, consumer_id: str) -> None:
        """The row tells."""

    def find_dead(self, consumers: list[Row]) -> list[Row]:
        over = {one.consumer_id for one in self._observation.find_dead(consumers)}
        place = _place()
        return [one for one in consumers if one.consumer_id in over or _has_ended(one, place)]

    def forget(self) -> None:
        self._observation.forget()


def _has_ended(consumer: Row, place: int | None) -> bool:
    """Tell whether a consumer's process was one of this place, and is no more."""
    if place is None or consumer.lock_offset is None:
        return False
    its_place, started = divmod(consumer.lock_offset, 1 << _START_BITS)
    if its_place != place or consumer.hostname != socket.gethostname():
        return False
    try:
        os.kill(consumer.process_id, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # Another user's, and alive.
    found = _start_of(consumer.process_id)
    return found is not None and found != started


def _place() -> int | None:
    """Return 31 bits for what processes share that see each other; None where none is told."""
    try:
        if os.readlink("/proc/self") != str(os.getpid()):
            # Another namespace's processes: those of our numbers are not ours.
            return None
        spaces = [os.readlink(f"/proc/self/ns/{name}") for name in _NAMESPACES]
    except OSError:
        # No Linux.
        return None
    return zlib.crc32(" ".join([boot_id(), *spaces]).encode()) >> 1 if boot_id() else None


def _start_of(process_id: int) -> int | None:
    """Return when a process began, in 32 bits; None where that is hidden from this user."""
    try:
        # The name in brackets may hold anything.
        fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
        return int(fields[_START_FIELD]) % (1 << _START_BITS)
    except (OSError, IndexError, ValueError):
        return None
