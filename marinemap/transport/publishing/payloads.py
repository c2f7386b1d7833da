"""Messages as the text that a table holds, and the times in their headers."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from kombu.utils.json import dumps, loads

from ..errors import NotStoredError

# The properties of a message that AMQP 0-9-1 knows (its section 1.8.3.2 onward), and kombu's
# own; whatever else a publish was given is no part of the message.
_PROPERTIES = frozenset(
    {
        "app_id",
        "body_encoding",
        "cluster_id",
        "content_encoding",
        "content_type",
        "correlation_id",
        "delivery_info",
        "delivery_mode",
        "delivery_tag",
        "expiration",
        "message_id",
        "priority",
        "reply_to",
        "timestamp",
        "type",
        "user_id",
    }
)
# Of messages or milliseconds: added to a time it is a number of both databases, and of JSON.
MOST = 2**53
# How kombu marks a value that JSON has not: a date, a UUID, bytes (kombu.utils.json).
_KOMBU_TYPE = '"__type__"'


def write_payload(message: Mapping[str, Any]) -> str:
    """Return a message as text, a binary body in base64, properties as AMQP has them.

    Raises
    ------
    NotStoredError
        A header or property cannot be written as JSON.
    """
    properties = {
        name: value for name, value in message["properties"].items() if name in _PROPERTIES
    }
    body = message["body"]
    if isinstance(body, bytes | bytearray | memoryview):
        properties["body_encoding"] = "base64"
        body = base64.b64encode(bytes(body)).decode("ascii")
    try:
        return str(dumps({**message, "body": body, "properties": properties}))
    except (TypeError, ValueError) as error:
        raise NotStoredError(
            f"a header or property of the message cannot be written as JSON: {error}",
            hint="Send it in the body, or as text.",
        ) from error


def read_payload(payload: str) -> dict[str, Any]:
    """Return what `write_payload` was given.

    Raises
    ------
    ValueError
        The text is no message: something else wrote it, or only a part of it.
    """
    # kombu's own types are rare, and looking for them in each value costs more than to parse.
    message = loads(payload) if _KOMBU_TYPE in payload else json.loads(payload)
    if not isinstance(message, dict) or not isinstance(message.get("properties"), dict):
        raise ValueError("it has no properties")
    if message["properties"].get("body_encoding") == "base64":
        message["body"] = base64.b64decode(message["body"])
    return message


def read_time_ms(text: Any) -> int | None:
    """Return the time in a header of Celery's, such as `eta`; None for what is no time.

    That is left to Celery to report.
    """
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(aware.timestamp() * 1000)


def read_expiration_ms(expiration: Any) -> int | None:
    """Return the property `expiration`, which AMQP writes as text, in milliseconds."""
    if isinstance(expiration, str) and expiration.isdecimal() and len(expiration) < 20:
        expiration = int(expiration)
    is_number = isinstance(expiration, int) and not isinstance(expiration, bool)
    return expiration if is_number and 0 <= expiration <= MOST else None
