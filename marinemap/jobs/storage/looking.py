"""Whether the storage answers: told to monitors, which ask often, without being held up by it."""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import suppress
from functools import lru_cache

from marinemap.jobs.conf import StorageSettings, storage_settings
from marinemap.jobs.lookout import Lookout
from marinemap.jobs.storage.clients import look_client
from marinemap.jobs.storage.errors import StorageAwayError, in_words

ANSWER_WITHIN_SECONDS = 1.5
# Anyone may ask how the site is, and each look at a storage may cost its operator something.
_KEPT_SECONDS = 5.0


def begin_look() -> Future[str | None]:
    """Look how the storage of results is; :func:`trouble_of` tells what was found."""
    settings = storage_settings()
    if settings is not None:
        # Made before the storage's time runs: on a busy machine the first takes longer than that,
        # and a storage that is well would be told to be away. The look tells why it cannot be made.
        with suppress(StorageAwayError), in_words():
            look_client(settings)
        return _lookout(settings).begin()
    nothing: Future[str | None] = Future()
    nothing.set_result(None)
    return nothing


def trouble_of(answer: Future[str | None], seconds: float = ANSWER_WITHIN_SECONDS) -> str | None:
    """Return what is wrong with the storage, in a few words; None if nothing is, or there is none.

    It answers in time, whatever the storage does.
    """
    try:
        return answer.result(max(0.0, seconds))
    except TimeoutError:
        return "the storage of results does not answer"


@lru_cache(maxsize=4)
def _lookout(settings: StorageSettings) -> Lookout[str | None]:
    return Lookout(lambda: _look(settings), ANSWER_WITHIN_SECONDS, "storage-health", _KEPT_SECONDS)


def _look(settings: StorageSettings) -> str | None:
    try:
        with in_words():
            client = look_client(settings)
            client.list_objects_v2(Bucket=settings.bucket, Prefix=settings.prefix, MaxKeys=1)
    except StorageAwayError as error:
        return error.message
    return None
