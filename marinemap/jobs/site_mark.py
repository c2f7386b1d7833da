"""The mark by which a database and the site's folder (``MARINEMAP_HOME``) know one another.

A share that is not mounted leaves an empty folder in its place, and a slip of the pen in
``DATABASE_URL`` leads to another site's rows. Archives written there would be missing to whoever
asks for them, and those that lie there belong to no job that is known: they would be cleaned up.
"""

from __future__ import annotations

import logging
import os
import uuid
from pathlib import Path

from django.db import transaction

from marinemap.extraction import sync_folder
from marinemap.jobs.conf import job_settings
from marinemap.jobs.models import SiteMark

logger = logging.getLogger(__name__)

_MISMATCH = "the server's folder is not this site's"


def find_mismatch() -> str | None:
    """Return that the folder is not the one that the database knows, in a few words, if so.

    Raises
    ------
    django.db.Error
        If the database is away.
    """
    known = SiteMark.objects.values_list("mark", flat=True).first()
    return None if known in (None, _read()) else _MISMATCH


def claim() -> str | None:
    """Have the database know this folder where it knows none; then answer as `find_mismatch`.

    Raises
    ------
    OSError
        If nothing can be written there.
    django.db.Error
        If the database is away.
    """
    known = SiteMark.objects.first() or _introduce()
    if _read() == known.mark:
        return None
    logger.error(
        "The database belongs to another folder than %s: is a share not mounted, or MARINEMAP_HOME "
        "or DATABASE_URL wrong? If the other folder is lost, write %s into %s.",
        job_settings().home,
        known.mark,
        _path(),
    )
    return _MISMATCH


def _path() -> Path:
    return job_settings().home / "site_mark"


def _read() -> str:
    try:
        return _path().read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _introduce() -> SiteMark:
    """Write a row of the folder's mark, and the mark if it has none: of two at once, one does."""
    with transaction.atomic():
        mark = _read() or str(uuid.uuid4())
        known, is_new = SiteMark.objects.get_or_create(pk=1, defaults={"mark": mark})
        if is_new and _read() != mark:
            # Before the commit: a row without its mark would stop the site.
            _write(mark)
    return known


def _write(mark: str) -> None:
    path = _path()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{mark}")
    with partial.open("w", encoding="ascii") as file:
        file.write(f"{mark}\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync_folder(path.parent)
