"""Life on PostgreSQL: renewals of a row, and, on the same machine, the process itself."""

from __future__ import annotations

import os
import socket
import zlib
from pathlib import Path

from .contract import Row, Session
from .observation import Observation

_NOTE_MARK = (
    "UPDATE broker_consumers SET lock_offset = :lock_offset WHERE consumer_id = :consumer_id"
)
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
        mark = _mark_of(os.getpid())
        if mark is not None:
            session.run(_NOTE_MARK, consumer_id=consumer_id, lock_offset=mark)

    def end(self, consumer_id: str) -> None:
        """The row tells."""

    def find_dead(self, consumers: list[Row]) -> list[Row]:
        over = {one.consumer_id for one in self._observation.find_dead(consumers)}
        return [one for one in consumers if one.consumer_id in over or _has_ended(one)]

    def forget(self) -> None:
        self._observation.forget()


def _has_ended(consumer: Row) -> bool:
    """Tell whether a consumer's process was one of this machine, and is no more."""
    mark, own = consumer.lock_offset, _mark_of(os.getpid())
    if mark is None or own is None or consumer.hostname != socket.gethostname():
        return False
    if mark >> _START_BITS != own >> _START_BITS:
        return False
    try:
        os.kill(consumer.process_id, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # Another user's, and alive.
    found = _mark_of(consumer.process_id)
    return found is not None and found != mark


def _mark_of(process_id: int) -> int | None:
    """Return a number of 63 bits for a process: its machine's present run, and its start."""
    try:
        place = Path("/proc/sys/kernel/random/boot_id").read_text()
        place += "".join(os.readlink(f"/proc/self/ns/{name}") for name in _NAMESPACES)
        # The name in brackets may hold anything.
        fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
        started = int(fields[_START_FIELD])
    except (OSError, IndexError, ValueError):
        # No Linux, or hidden from this user.
        return None
    run = zlib.crc32(place.encode()) >> 1
    return run << _START_BITS | started % (1 << _START_BITS)
