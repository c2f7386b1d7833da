"""What AMQP offers and this transport does not: whoever asks for it is told so."""

from __future__ import annotations

from typing import Any

from amqp.exceptions import NotFound, PreconditionFailed

from .errors import TransportError

_HINTS = {
    "alternates": "Name several hosts in one PostgreSQL address: @first,second/database.",
    "arguments": "Leave them out.",
    "exclusive": "Run one consumer only.",
    "immediate": "RabbitMQ has it no more either.",
    "internal": "Keep the exchange's name to yourself.",
    "mandatory": "Publish it outside of the batch.",
    "no_local": "Bind a queue that your own messages do not reach.",
    "prefetch_size": "Limit the count of messages instead.",
    "ssl": "Say it in the address: ?sslmode=verify-full&sslrootcert=...",
}


def refuse(method: str, **given: Any) -> None:
    """Refuse what is not offered, where it has been given a value that asks for something.

    Raises
    ------
    TransportError
        Names the first such argument, and says what to do.
    """
    for name, value in given.items():
        if value:
            raise TransportError(
                f"{method} takes none of this: it is not offered.",
                field=name,
                value=value,
                hint=_HINTS[name],
            )


def not_found(kind: str, name: str, method: str) -> NotFound:
    """Return AMQP's error 404."""
    return NotFound(f"NOT_FOUND - no {kind} '{name}'", (50, 10), method)


def precondition_failed(why: str, method: str) -> PreconditionFailed:
    """Return AMQP's error 406."""
    return PreconditionFailed(f"PRECONDITION_FAILED - {why}", (40, 10), method)
