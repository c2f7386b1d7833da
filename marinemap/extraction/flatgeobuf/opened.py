"""Open a FlatGeobuf on a server, whose beginning is fetched once for each state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from marinemap.extraction.flatgeobuf.layout import Layout, read_layout
from marinemap.extraction.flatgeobuf.tree import check_beginning
from marinemap.extraction.remote.address import Remote
from marinemap.extraction.remote.kept import Kept
from marinemap.extraction.remote.ranges import Ranges, reading


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
        yield ranges, _kept.of(ranges)


def _found(ranges: Ranges) -> Layout:
    layout = read_layout(ranges)
    check_beginning(layout)
    return layout


_kept = Kept(_found)
