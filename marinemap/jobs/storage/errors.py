"""What goes wrong in the storage, in words: for people without names and keys, for the log with."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from marinemap.errors import UnavailableError

logger = logging.getLogger(__name__)

_AWAY = "the storage of results does not answer"
_NO_BUCKET = "the bucket of results is not there"
_REFUSED = "the storage of results refuses the site"
_FULL = "the storage of results is full"
_TOO_LARGE = "the storage of results takes nothing as large"
# By the codes of Amazon S3's error responses; HEAD has the status alone.
_WORDS = {
    "NoSuchBucket": _NO_BUCKET,
    "AccessDenied": _REFUSED,
    "AllAccessDisabled": _REFUSED,
    "AccountProblem": _REFUSED,
    "403": _REFUSED,
    # Of an object it is not asked for here.
    "404": _NO_BUCKET,
    "InvalidAccessKeyId": f"{_REFUSED}: its key is not known",
    "SignatureDoesNotMatch": f"{_REFUSED}: its key and secret do not fit",
    "InvalidClientTokenId": f"{_REFUSED}: its key is not known",
    "ExpiredToken": f"{_REFUSED}: its key is over",
    "RequestTimeTooSkewed": f"{_REFUSED}: the clocks of the two differ",
    "AuthorizationHeaderMalformed": "the bucket of results is in another region",
    "PermanentRedirect": "the bucket of results is in another region",
    "QuotaExceeded": _FULL,
    "XMinioStorageFull": _FULL,
    "XMinioAdminBucketQuotaExceeded": _FULL,
    "EntityTooLarge": _TOO_LARGE,
    # Of a proxy before it.
    "413": _TOO_LARGE,
    "BadDigest": "what came to the storage of results was not what was sent",
}


class StorageAwayError(UnavailableError):
    """The storage of results does not answer, or not as it should: try again."""


class ArchiveRefusedError(StorageAwayError):
    """The storage takes a small object but not an archive: to wait for it may be in vain."""


@contextmanager
def in_words() -> Iterator[None]:
    """Raise what the storage's client raises as :class:`StorageAwayError`."""
    # With the storage, for other sites need not have it installed.
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    try:
        yield
    except ClientError as error:
        raise told_away(_WORDS.get(code_of(error), _AWAY), error) from error
    except NoCredentialsError as error:
        raise told_away(f"{_REFUSED}: it has no key", error) from error
    except (BotoCoreError, Boto3Error, OSError) as error:
        raise told_away(_AWAY, error) from error


def told_away(words: str, error: Exception) -> StorageAwayError:
    """Return the error for people; the operator finds in the log what was answered to what."""
    away = StorageAwayError(words)
    # The error itself, for the log is to tell of an outage once a minute (logs.quiet).
    logger.warning("%s: %s", away, error)
    return away


def code_of(error: Exception) -> str:
    """Return the code of a refusal, such as ``NoSuchKey``; that of HEAD is a status."""
    found = getattr(error, "response", {}).get("Error", {}).get("Code", "")
    return str(found)
