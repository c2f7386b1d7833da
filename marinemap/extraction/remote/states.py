"""The state that a file on a server has: looked for, and known for some seconds."""

from __future__ import annotations

import time
from collections import OrderedDict
from contextlib import closing
from threading import Lock

from marinemap.errors import DatasetError, MarineMapError, UnavailableError
from marinemap.extraction.remote.address import Mark, Remote
from marinemap.extraction.remote.prefixes import silent_seconds
from marinemap.extraction.remote.ranges import Ranges

# A look is what somebody waits for; what it found stands for so long.
_LOOK_SECONDS, _LOOK_TRIES = 5.0, 2
_KNOWN_SECONDS, _MOST_KNOWN = 5.0, 1_000
# That a server is away stands longer: each look at it holds a thread of the web server.
_AWAY_TIMES = 6


def state_of(remote: Remote, *, is_fresh: bool = False) -> Mark:
    """Return the state that a file has, or had some seconds ago, unless it is to be fresh.

    Raises
    ------
    DatasetError, UnavailableError
        If it cannot be read; that stands for as long.
    """
    found = None if is_fresh else _known.get(remote.url)
    if found is None:
        found = _looked(remote)
        _known.put(remote.url, found)
    if isinstance(found, MarineMapError):
        raise type(found)(found.message, field=found.field, value=found.value, hint=found.hint)
    return found


def _looked(remote: Remote) -> Mark | MarineMapError:
    seconds = min(_LOOK_SECONDS, silent_seconds())
    with closing(Ranges(remote.at(None), seconds, _LOOK_TRIES)) as ranges:
        try:
            return ranges.look()
        except (DatasetError, UnavailableError) as error:
            return error


class _Known:
    """What was found last of some files."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._found: OrderedDict[str, tuple[float, Mark | MarineMapError]] = OrderedDict()

    def get(self, url: str) -> Mark | MarineMapError | None:
        with self._lock:
            at, found = self._found.get(url, (float("-inf"), None))
        times = _AWAY_TIMES if isinstance(found, UnavailableError) else 1
        return found if time.monotonic() - at < times * _KNOWN_SECONDS else None

    def put(self, url: str, found: Mark | MarineMapError) -> None:
        with self._lock:
            self._found[url] = (time.monotonic(), found)
            self._found.move_to_end(url)
            while len(self._found) > _MOST_KNOWN:
                self._found.popitem(last=False)


_known = _Known()
