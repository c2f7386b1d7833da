"""The settings of this room, read when they are used."""

from __future__ import annotations

from django.conf import settings


def max_body_bytes() -> int:
    """Return the largest body of a request, bytes."""
    return int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
