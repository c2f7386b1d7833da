"""The settings of this room, read when they are used."""

from __future__ import annotations

import resource

from django.conf import settings


def base_layer() -> str:
    """Return the id of the layer that is the ground of maps, where there is such a layer."""
    return str(settings.MARINEMAP_BASE_LAYER)


def max_body_bytes() -> int:
    """Return the largest body of a request, bytes."""
    return int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)


def most_parameters() -> int:
    """Return how many parameters an address or a form may have."""
    return int(settings.DATA_UPLOAD_MAX_NUMBER_FIELDS)


def most_in_a_batch() -> int:
    """Return how many requests a batch may have."""
    return int(settings.MARINEMAP_MAX_BATCH)


def most_look_seconds() -> float:
    """Return how long the server looks at what is sent before it is queued."""
    return float(settings.MARINEMAP_LOOK_SECONDS)


def is_behind_proxy() -> bool:
    """Tell whether a proxy in front can be trusted with the headers that it sets."""
    return bool(settings.MARINEMAP_BEHIND_PROXY)


def is_https_only() -> bool:
    """Tell whether cookies are for HTTPS only."""
    return bool(settings.SESSION_COOKIE_SECURE)


def sendfile_header() -> str:
    """Return the header by which the server in front is told a file; empty where there is none."""
    return str(settings.MARINEMAP_SENDFILE)


def most_sync_seconds() -> float:
    """Return how long a request may be kept open while its process runs."""
    return float(settings.MARINEMAP_SYNC_SECONDS)


def is_sync_by_default() -> bool:
    """Tell whether who prefers nothing is kept waiting for the end of a job."""
    return bool(settings.MARINEMAP_SYNC_BY_DEFAULT) and most_sync_seconds() > 0


def lists_by_address() -> bool:
    """Tell whether programs without a cookie are listed the jobs of their network address."""
    return bool(settings.MARINEMAP_LIST_BY_ADDRESS)


def most_streams() -> int:
    """Return how many streams of events this process keeps open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Where there are few files, most are for others.
    return min(int(settings.MARINEMAP_MAX_STREAMS), soft // 4)


def most_streams_person() -> int:
    """Return how many streams of events one person may have open."""
    return int(settings.MARINEMAP_MAX_STREAMS_PERSON)


def most_streams_address() -> int:
    """Return how many streams of events may be open to one network address."""
    return int(settings.MARINEMAP_MAX_STREAMS_ADDRESS)


def cors_origins() -> list[str]:
    """Return the origins whose pages may read the API; ``*`` among them is every page's."""
    return list(settings.MARINEMAP_CORS_ORIGINS)


def letters_go_to() -> str:
    """Return who may have letters about their requests: ``nobody``, ``signed-in``, ``anyone``."""
    return str(settings.MARINEMAP_LETTERS)
