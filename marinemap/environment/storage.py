"""Read where results go: the site's folder, or a bucket of an object storage."""

from __future__ import annotations

import re
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from marinemap.environment.values import is_http, read_choice, read_number
from marinemap.environment.variables import read_text
from marinemap.errors import quote

_S3 = "MARINEMAP_S3_"
# Of buckets that have an address of their own, and of older ones (Amazon S3, bucket naming rules).
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_PREFIX = re.compile(r"(?:[A-Za-z0-9_.=-]*[A-Za-z0-9_=-]/)*")
_REGION = re.compile(r"[A-Za-z0-9-]{1,64}")
_MOST_OF_A_PREFIX = 200
# A signed link lasts for a week at most (Amazon S3, Signature Version 4).
_MOST_MINUTES = 7 * 24 * 60


def read_storage() -> dict[str, Any] | None:
    """Return the bucket that results go to, by ``MARINEMAP_S3_*``; None for the site's folder.

    Raises
    ------
    ImproperlyConfigured
        If one of the variables is wrong or missing. Keys are never shown.
    """
    texts = {
        name: read_text(f"{_S3}{name.upper()}", "")
        for name in ("bucket", "endpoint", "public_endpoint", "region", "access_key", "secret_key")
    }
    found = texts | {
        "prefix": _read_prefix(),
        "addressing": read_choice(f"{_S3}ADDRESSING", ("path", "virtual")),
        "link_seconds": 60 * read_number(f"{_S3}LINK_MINUTES", 15, least=1, most=_MOST_MINUTES),
    }
    if not texts["bucket"]:
        _refuse_rest(found)
        return None
    _check(texts)
    # Servers of one's own have mostly no name for each bucket.
    found["addressing"] = found["addressing"] or ("path" if texts["endpoint"] else "virtual")
    return found


def _read_prefix() -> str:
    prefix = read_text(f"{_S3}PREFIX", "")
    prefix = f"{prefix}/" if prefix and not prefix.endswith("/") else prefix
    if not _PREFIX.fullmatch(prefix) or len(prefix) > _MOST_OF_A_PREFIX:
        raise ImproperlyConfigured(
            f"{_S3}PREFIX: '{quote(prefix)}' is no beginning of names in a bucket; write letters, "
            "digits and dashes, with slashes between, such as maps/results"
        )
    return prefix


def _refuse_rest(found: dict[str, Any]) -> None:
    """Refuse a storage without a bucket: results would be written to the disk, without a word."""
    for name in ("endpoint", "public_endpoint", "region", "access_key", "secret_key", "prefix"):
        if found[name]:
            raise ImproperlyConfigured(
                f"{_S3}BUCKET: it is missing, and {_S3}{name.upper()} is set; name the bucket that "
                "results go to, or take the latter out"
            )


def _check(texts: dict[str, str]) -> None:
    if not _BUCKET.fullmatch(texts["bucket"]):
        raise ImproperlyConfigured(
            f"{_S3}BUCKET: '{quote(texts['bucket'])}' is no name of a bucket; write its name "
            "alone, 3 to 63 letters, digits, dots and dashes"
        )
    if texts["region"] and not _REGION.fullmatch(texts["region"]):
        raise ImproperlyConfigured(
            f"{_S3}REGION: '{quote(texts['region'])}' is no region; write eu-central-1 or the like"
        )
    for name in ("endpoint", "public_endpoint"):
        uri = texts[name]
        if uri and not (is_http(uri) and "?" not in uri and "#" not in uri):
            raise ImproperlyConfigured(
                f"{_S3}{name.upper()}: it is no address of a server; write "
                "https://storage.example.org, without bucket, user and password"
            )
    if bool(texts["access_key"]) != bool(texts["secret_key"]):
        raise ImproperlyConfigured(
            f"{_S3}ACCESS_KEY and {_S3}SECRET_KEY: one is set and the other is not; set both, or "
            "neither where the machine has a role of its own"
        )
