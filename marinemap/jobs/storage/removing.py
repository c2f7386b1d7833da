"""Remove objects of a storage: many in one request, where the storage knows that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from marinemap.jobs.storage.errors import code_of, in_words

# S3 takes 1,000; a slow storage is to be asked for few at a time.
_AT_ONCE = 100
# How storages refuse DeleteObjects that lack it, or ask for another checksum of it: older ones
# want Content-MD5, which boto3 no longer sends.
_UNKNOWN = {"NotImplemented", "501", "MethodNotAllowed", "405", "MissingContentMD5"}
_UNKNOWN |= {"InvalidRequest", "InvalidArgument", "MalformedXML"}


def remove_each(client: Any, bucket: str, folder: str, names: Iterable[str]) -> Iterator[str]:
    """Remove the objects of these names below a folder, if they are there; yield each that is gone.

    Raises
    ------
    StorageAwayError
        If the storage does not answer, or keeps one.
    """
    remaining = iter(names)
    while some := list(islice(remaining, _AT_ONCE)):
        keys = [f"{folder}{name}" for name in some]
        with in_words():
            refused = _removed_at_once(client, bucket, keys) if len(keys) > 1 else None
        if refused is None:
            yield from _one_by_one(client, bucket, folder, some)
            continue
        yield from (name for name in some if f"{folder}{name}" not in refused)
        with in_words():
            for each in refused.values():
                raise client.exceptions.ClientError({"Error": each}, "DeleteObjects")


def _removed_at_once(client: Any, bucket: str, keys: Sequence[str]) -> dict[str, Any] | None:
    """Return what the storage kept, by keys; None where it does not know such a request."""
    wanted = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
    try:
        answer = client.delete_objects(Bucket=bucket, Delete=wanted)
    except client.exceptions.ClientError as error:
        if code_of(error) in _UNKNOWN:
            return None
        raise
    return {each["Key"]: each for each in answer.get("Errors", [])}


def _one_by_one(client: Any, bucket: str, folder: str, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        with in_words():
            client.delete_object(Bucket=bucket, Key=f"{folder}{name}")
        yield name
