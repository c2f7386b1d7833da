"""Read ahead: one thread reads while another works, at most a few items apart."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")
_END = object()
# How long the reader may wait on a full queue before it looks whether anybody still listens.
_POLL_SECONDS = 0.05


@contextmanager
def prefetched(items: Iterator[T], ahead: int) -> Iterator[Iterator[T]]:
    """Yield an iterator over items that another thread fetches.

    GDAL, GEOS and zlib release Python's lock, so that reading and working share two cores. What
    fetching raises is raised here, at its place among the items. The thread has ended when the
    block is left, however it is left.

    Parameters
    ----------
    items : iterator
        Advanced, and closed, in the other thread only: GDAL handles must not change threads.
    ahead : int
        At most this many items wait.
    """
    waiting: queue.Queue[Any] = queue.Queue(maxsize=ahead)
    stopped = threading.Event()
    thread = threading.Thread(target=_fetch, args=(items, waiting, stopped), daemon=True)
    thread.start()
    try:
        yield _received(waiting)
    finally:
        stopped.set()
        thread.join()


def _fetch(items: Iterator[T], waiting: queue.Queue[Any], stopped: threading.Event) -> None:
    last: Any = _END
    try:
        for item in items:
            if not _offer(waiting, item, stopped):
                break
    except BaseException as error:
        last = _Failure(error)
    finally:
        if hasattr(items, "close"):
            items.close()
    _offer(waiting, last, stopped)


def _offer(waiting: queue.Queue[Any], item: Any, stopped: threading.Event) -> bool:
    while not stopped.is_set():
        try:
            waiting.put(item, timeout=_POLL_SECONDS)
            return True
        except queue.Full:
            continue
    return False


def _received(waiting: queue.Queue[Any]) -> Iterator[Any]:
    while (item := waiting.get()) is not _END:
        if isinstance(item, _Failure):
            raise item.error
        yield item


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error
