"""Open a FlatGeobuf on a server, whose beginning is fetched once for each state."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from marinemap.extraction.flatgeobuf.layout import Layout, read_layout
from marinemap.extraction.flatgeobuf.tree import check_beginning
from marinemap.extraction.remote.address import Remote
from marinemap.extraction.remote.ranges import Ranges, reading

_MOST_KEPT = 16


@contextmanager
def opened(remote: Remote) -> Iterator[tuple[Ranges, Layout]]:
    """Open a file, in the state that is named or the one it has now.

    Raises
    ------
    DatasetError
        If it is no FlatGeobuf, cut or damaged, or has no index.
    UnavailableError
        If it cannot be read now.
    """
    with reading(remote) as ranges:
        yield ranges, _layout_of(ranges)


def _layout_of(ranges: Ranges) -> Layout:
    found = _kept.get(ranges.remote)
    if found is None:
        found = read_layout(ranges)
        check_beginning(found)
        _kept.put(found)
    return found


class _Kept:
    """Those that were read last."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._found: OrderedDict[Remote, Layout] = OrderedDict()

    def get(self, remote: Remote) -> Layout | None:
        with self._lock:
            return self._found.get(remote)

    def put(self, layout: Layout) -> None:
        with self._lock:
            self._found[layout.remote] = layout
            while len(self._found) > _MOST_KEPT:
                self._found.popitem(last=False)


_kept = _Kept()
