"""Results in an object storage: a bucket that sites may share, each below a name of its own."""

from marinemap.jobs.storage.bucket import Bucket, Stored
from marinemap.jobs.storage.errors import ArchiveRefusedError, StorageAwayError
from marinemap.jobs.storage.looking import begin_look, trouble_of
from marinemap.jobs.storage.site import answering_bucket, claim, is_stored, site_bucket

__all__ = [
    "ArchiveRefusedError",
    "Bucket",
    "StorageAwayError",
    "Stored",
    "answering_bucket",
    "begin_look",
    "claim",
    "is_stored",
    "site_bucket",
    "trouble_of",
]
