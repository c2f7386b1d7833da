"""What is stored of a message that died: whether it can be read, and which of its times hold."""

from __future__ import annotations

from typing import Any

from ..errors import quote
from ..publishing.payloads import read_expiration_ms, read_payload, read_time_ms


def find_fault(payload: str) -> str | None:
    """Return why a message cannot be read; None where it can."""
    try:
        read_message(payload)
    # Something else wrote it, or a part of it: there is no telling how it fails.
    except Exception as error:
        return quote(str(error))
    return None


def read_message(payload: str) -> dict[str, Any]:
    """Return a message as it was published.

    Raises
    ------
    ValueError
        What is stored is no message.
    """
    message = read_payload(payload)
    if "body" not in message:
        raise ValueError("it has no body")
    if not isinstance(message.get("headers") or {}, dict):
        raise ValueError("its headers are no mapping")
    return message


def forget_past_times(message: dict[str, Any], published_at_ms: int, clock_ms: int) -> None:
    """Remove an ETA and expiries that have passed; count a time to live from its beginning."""
    headers, properties = message.get("headers") or {}, message["properties"]
    # Celery itself drops a task whose header `expires` has passed.
    for name in ("eta", "expires"):
        moment_ms = read_time_ms(headers.get(name))
        if moment_ms is not None and moment_ms <= clock_ms:
            headers[name] = None
    ttl_ms = read_expiration_ms(properties.pop("expiration", None))
    if ttl_ms is not None and published_at_ms + ttl_ms > clock_ms:
        properties["expiration"] = str(published_at_ms + ttl_ms - clock_ms)
