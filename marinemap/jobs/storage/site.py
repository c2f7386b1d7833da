"""The bucket of this site, if it has one."""

from __future__ import annotations

from marinemap.jobs.conf import storage_settings
from marinemap.jobs.models import SiteMark
from marinemap.jobs.storage.bucket import Bucket
from marinemap.jobs.storage.errors import StorageAwayError
from marinemap.jobs.storage.looking import begin_look, trouble_of


def site_bucket() -> Bucket | None:
    """Return where results go; None where they stay on the disk, or none was made yet.

    Raises
    ------
    django.db.Error
        If the database is away.
    """
    settings = storage_settings()
    mark = settings and SiteMark.objects.values_list("mark", flat=True).first()
    return Bucket(settings, mark) if settings and mark else None


def is_stored() -> bool:
    """Tell whether results go to a storage."""
    return storage_settings() is not None


def answering_bucket() -> Bucket | None:
    """Return where results go, for somebody who waits: only while the storage answers.

    Of a storage that is mute all who ask are told so by one look at it, in two seconds; each for
    itself would hold a thread of the web server for many.

    Raises
    ------
    StorageAwayError
    """
    bucket = site_bucket()
    trouble = trouble_of(begin_look()) if bucket else None
    if trouble is not None:
        raise StorageAwayError(trouble)
    return bucket


def claim() -> None:
    """Make sure that results can be written there now; before a run, which is dear.

    Raises
    ------
    StorageAwayError
        If they cannot.
    """
    bucket = site_bucket()
    if bucket is not None:
        bucket.probe()
