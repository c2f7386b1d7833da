"""The clients of a storage, made by django-storages once a process, for all of its threads."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from marinemap.jobs.conf import StorageSettings

# What servers of one's own are mostly set to.
_DEFAULT_REGION = "us-east-1"


@dataclass(frozen=True)
class _Patience:
    """How long a server may take: to be connected to, to answer; and how often it is tried."""

    connect_seconds: float
    read_seconds: float
    tries: int


# Of a worker, which has the time; and of whoever waits for an answer.
_OF_WORK = _Patience(5, 30, 4)
_OF_A_LOOK = _Patience(2, 5, 2)


def work_client(settings: StorageSettings) -> Any:
    """Return the client of what takes its time."""
    return _client(_server_of(settings, settings.endpoint), _OF_WORK, os.getpid())


def look_client(settings: StorageSettings) -> Any:
    """Return the client of what somebody waits for."""
    return _client(_server_of(settings, settings.endpoint), _OF_A_LOOK, os.getpid())


def link_client(settings: StorageSettings) -> Any:
    """Return the client that signs links: to the address under which people reach the storage."""
    endpoint = settings.public_endpoint or settings.endpoint
    return _client(_server_of(settings, endpoint), _OF_A_LOOK, os.getpid())


@dataclass(frozen=True)
class _Server:
    """What a client has to know, whichever bucket it is asked for."""

    endpoint: str
    region: str
    addressing: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)


def _server_of(settings: StorageSettings, endpoint: str) -> _Server:
    return _Server(
        endpoint,
        settings.region or _DEFAULT_REGION,
        settings.addressing,
        settings.access_key,
        settings.secret_key,
    )


# By process: a forked one must not share the sockets of its parent.
@lru_cache(maxsize=12)
def _client(server: _Server, patience: _Patience, process_id: int) -> Any:
    # Imported here: it takes longer than a small extract, and is an extra.
    from botocore.config import Config
    from storages.backends.s3 import S3Storage

    config = Config(
        signature_version="s3v4",
        connect_timeout=patience.connect_seconds,
        read_timeout=patience.read_seconds,
        retries={"mode": "standard", "total_max_attempts": patience.tries},
        # The digest of each piece is signed, so that any server looks at it; newer kinds of check
        # sums are not known to all of them.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": server.addressing, "payload_signing_enabled": True},
    )
    storage = S3Storage(
        access_key=server.access_key or None,
        secret_key=server.secret_key or None,
        region_name=server.region,
        endpoint_url=server.endpoint or None,
        client_config=config,
    )
    return storage.connection.meta.client
