"""Objects of an S3 storage: signed addresses under which they are read like any other file."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from marinemap.errors import ServiceError
from marinemap.extraction.remote.prefixes import Prefix

# Each request is signed anew; so long the clocks may differ and a request be under way.
_LASTS_SECONDS = 900
_DEFAULT_REGION = "us-east-1"


def signed(url: str, prefix: Prefix) -> str:
    """Return the address of an object (``s3://bucket/key``) over HTTP, with a signature.

    Raises
    ------
    ServiceError
        If the site has no client of S3, or no key that it could sign with.
    """
    parts = urlsplit(url)
    options = tuple(sorted(parse_qsl(prefix.query)))
    wanted = {"Bucket": prefix.host, "Key": unquote(parts.path).removeprefix("/")}
    try:
        client = _client(options, prefix.user, prefix.password, os.getpid())
        return str(client.generate_presigned_url("get_object", wanted, _LASTS_SECONDS))
    except ImportError as error:
        raise ServiceError(
            "objects of S3 are read by boto3, which is not installed",
            field="source",
            hint="pip install '.[s3]'",
        ) from error
    except Exception as error:
        # botocore has no root of its errors that can be named without it; its text may hold a key.
        raise ServiceError(
            f"a request to the storage of {prefix.host} cannot be signed ({type(error).__name__})",
            field="source",
            hint="Look at MARINEMAP_SOURCE_PREFIXES: s3://key:secret@bucket/prefix/?endpoint=... "
            "Without a key it is the one that boto3 finds.",
        ) from error


@lru_cache(maxsize=16)
def _client(options: tuple[tuple[str, str], ...], key: str, secret: str, process_id: int) -> Any:
    import boto3
    from botocore.config import Config

    told = dict(options)
    addressing = "path" if "endpoint" in told else "auto"
    return boto3.client(
        "s3",
        endpoint_url=told.get("endpoint"),
        region_name=told.get("region", _DEFAULT_REGION),
        aws_access_key_id=key or None,
        aws_secret_access_key=secret or None,
        config=Config(signature_version="s3v4", s3={"addressing_style": addressing}),
    )
