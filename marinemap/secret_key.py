"""The key that signs a site's cookies: given by its environment, or made at its first start."""

from __future__ import annotations

import logging
import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from marinemap.environment import read_text

logger = logging.getLogger(__name__)


def read_secret_key(home: Path) -> str:
    """Return ``DJANGO_SECRET_KEY``, or the key made at first start and kept in the home.

    Raises
    ------
    ImproperlyConfigured
        If the key that was made cannot be read by this user.
    """
    if given := read_text("DJANGO_SECRET_KEY", ""):
        return given
    kept = home / "secret_key"
    try:
        if not kept.exists():
            _make_secret_key(kept)
        return kept.read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"MARINEMAP_HOME: its secret_key cannot be read or made ({error.strerror}); run this "
            "as the site's user"
        ) from error


def _make_secret_key(kept: Path) -> None:
    """Write a new key.

    Web server and worker may start at the same moment: the file is made whole under another
    name and linked in place, so that both read the same key.
    """
    fresh = kept.with_name(f".secret_key.{os.getpid()}")
    file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(file, "w") as key:
        key.write(secrets.token_urlsafe(64))
    try:
        os.link(fresh, kept)
    except FileExistsError:
        return  # The other process was first; its key is the site's key.
    finally:
        fresh.unlink()
    if (kept.parent / "artifacts").exists():
        logger.warning(
            "A new secret key was made, for %s is gone: whoever was signed in is signed out, and "
            "browsers have lost their requests. If a backup has the file, put it back and start "
            "again.",
            kept,
        )
