"""What one run may take, as the operator of a site sets it."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from marinemap.errors import RequestError, ServiceError, UnavailableError
from marinemap.sentences import say

_STATM = Path("/proc/self/statm")
# What a library may leave when it finds no room for what it has in its memory.
_FULL_BYTES = 1 << 22
# Looking at a folder's files and at the disk costs little, but not nothing.
_LOOK_EVERY_SECONDS = 0.5
_LESS = say("Ask for a smaller area, fewer layers or fewer features.")


class RunLimitError(RequestError):
    """The run took more than the site allows."""


class LayerLimitError(RequestError):
    """A layer would give more than it may; others of the same run are not concerned."""


@dataclass(frozen=True)
class RunLimits:
    """The most that one run may take; None is no limit.

    Parameters
    ----------
    seconds : float, optional
        From its beginning to its end.
    memory_bytes : float, optional
        Of the process, all in all, as the system counts it (resident set).
    features : float, optional
        Written, over all layers.
    file_bytes : float, optional
        Of the temporary files, which are the result before it is zipped.
    free_bytes : float, optional
        The least that stays free on the disk of the temporary files.
    """

    seconds: float | None = None
    memory_bytes: float | None = None
    features: float | None = None
    file_bytes: float | None = None
    free_bytes: float | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and not value > 0:
                raise ServiceError(f"'{value}' is no number above 0", field=name, value=value)

    def foresee(self, features: int, features_at_least: int, size_bytes: int) -> list[str]:
        """Return sentences on the limits that an extract would pass, surely or likely.

        Parameters
        ----------
        features : int
            How many it is likely to have.
        features_at_least : int
        size_bytes : int
            What it is likely to take before zipping.
        """
        found: list[str] = []
        if self.features and features_at_least > self.features:
            found.append(
                say(
                    "This would have over {most:,.0f} features, the most that this site allows "
                    "one request, and fail. {less}",
                    most=self.features,
                    less=_LESS,
                )
            )
        elif self.features and features > self.features:
            found.append(
                say(
                    "This would likely have over {most:,.0f} features, the most that this site "
                    "allows one request, and fail then. {less}",
                    most=self.features,
                    less=_LESS,
                )
            )
        if self.file_bytes and size_bytes > self.file_bytes:
            found.append(
                say(
                    "This would likely have over {most:,.0f} bytes before zipping, the most that "
                    "this site allows one request, and fail then. {less}",
                    most=self.file_bytes,
                    less=_LESS,
                )
            )
        return found


class LimitWatch:
    """Looks after a run's limits, step by step; a step itself is not interrupted.

    Parameters
    ----------
    limits : RunLimits
    folder : Path
        Of the temporary files.
    clock : callable
        Seconds that never go back.
    layer : str, optional
        Whose limits they are, where they are not those of the whole run.
    """

    def __init__(
        self,
        limits: RunLimits,
        folder: Path,
        clock: Callable[[], float] = time.monotonic,
        layer: str = "",
    ) -> None:
        self._layer = layer
        self._limits = limits
        self._folder = folder
        self._clock = clock
        self._begun = clock()
        self._looked = float("-inf")

    def check(self, features: int, *, thoroughly: bool = True) -> None:
        """Refuse to go on where a limit is passed; unless thoroughly, files are seldom looked at.

        Raises
        ------
        RunLimitError, LayerLimitError
            Naming the limit.
        UnavailableError
            If the disk is nearly full, which is not the request's doing alone.
        """
        limits, now = self._limits, self._clock()
        over = say("has over {most:,.0f} features", most=limits.features or 0)
        self._refuse(features, limits.features, "features", over)
        over = say("took over {most:,.0f} seconds", most=limits.seconds or 0)
        self._refuse(now - self._begun, limits.seconds, "seconds", over)
        if not thoroughly and now - self._looked < _LOOK_EVERY_SECONDS:
            return
        self._looked = now
        if limits.memory_bytes:
            over = say("took over {most:,.0f} bytes of memory", most=limits.memory_bytes)
            self._refuse(_resident_bytes(), limits.memory_bytes, "memory", over)
        if limits.file_bytes:
            found = sum(map(_size_of, self._folder.rglob("*")))
            over = say("has over {most:,.0f} bytes before zipping", most=limits.file_bytes)
            self._refuse(found, limits.file_bytes, "bytes", over)
        if limits.free_bytes and self._free_bytes() < limits.free_bytes:
            raise self._without_room(
                say(
                    "the disk has less than {free_bytes:,.0f} bytes free",
                    free_bytes=limits.free_bytes,
                )
            )

    def tell_full_disk(self) -> None:
        """Say so where what could not be done is for want of room: not every library says why.

        To be asked while the run's files are there: without them there may be room again.

        Raises
        ------
        UnavailableError
        """
        if self._free_bytes() < max(self._limits.free_bytes or 0, _FULL_BYTES):
            raise self._without_room(say("the disk ran full"))

    def _free_bytes(self) -> int:
        return shutil.disk_usage(self._folder).free

    def _without_room(self, message: str) -> UnavailableError:
        hint = say("Free some room in the folder of temporary files.")
        error = UnavailableError(message, hint=hint)
        error.__cause__ = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return error

    def _refuse(self, found: float, limit: float | None, field: str, over: str) -> None:
        if limit is None or found <= limit:
            return
        if self._layer:
            raise LayerLimitError(
                say(
                    "what was asked for of layer '{layer}' {over}, the most that the layer "
                    "gives one request",
                    layer=self._layer,
                    over=over,
                ),
                field=field,
                value=limit,
                hint=_LESS,
            )
        raise RunLimitError(
            say("the extract {over}, the most that this site allows one request", over=over),
            field=field,
            value=limit,
            hint=_LESS,
        )


def _size_of(path: Path) -> int:
    """Return the size of a file, 0 of a folder, and of what another process has just renamed."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def _resident_bytes() -> int:
    """Return what the process holds in memory; 0 where the system does not say."""
    try:
        pages = int(_STATM.read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
