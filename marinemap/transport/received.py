"""A message on its way to a consumer."""

from __future__ import annotations

from typing import Any

from kombu.message import Message as KombuMessage

from .consuming.demand import Claimed
from .consuming.starts import PERMIT_HEADER
from .publishing.payloads import read_payload

# The header of a message that is delivered again: how often it has been by now.
ATTEMPT_HEADER = "delivery_attempt"


class ReceivedMessage(KombuMessage):
    """A message received; remembers why its body could not be decoded."""

    undecodable: str | None = None

    def _decode(self) -> Any:
        try:
            return super()._decode()
        except Exception as error:
            # Celery acknowledges such a message to be rid of it (Consumer.on_decode_error).
            self.undecodable = f"its body could not be decoded: {error}"
            raise

    def ack(self, multiple: bool = False) -> None:
        """Acknowledge; what could not be decoded goes to the dead letters instead."""
        if self.undecodable is not None and not self.acknowledged:
            self.reject()
        else:
            super().ack(multiple=multiple)

    def reject(self, requeue: bool = False) -> None:
        """Reject; without requeue the message goes to the dead letters."""
        channel: Any = self.channel
        channel.rejections[self.delivery_tag] = self.undecodable or "rejected by its consumer"
        super().reject(requeue=requeue)


def read_message(channel: Any, tag: int, claimed: Claimed) -> ReceivedMessage:
    """Return a claimed message as kombu passes it to callbacks.

    Raises
    ------
    ValueError
        What is stored is no message.
    """
    stored = read_payload(claimed.payload)
    properties = stored["properties"]
    info = properties.setdefault("delivery_info", {})
    # Celery's task reads `redelivered` here (celery.app.trace).
    info.update(redelivered=claimed.attempts > 1, attempts=claimed.attempts)
    return ReceivedMessage(
        body=stored["body"],
        channel=channel,
        # Any value will do for kombu, whatever its type stubs say.
        delivery_tag=tag,  # type: ignore[arg-type]
        content_type=stored.get("content-type"),
        content_encoding=stored.get("content-encoding"),
        headers=_make_headers(stored.get("headers") or {}, claimed),
        properties=properties,
        delivery_info=info,
        postencode="utf-8",
    )


def _make_headers(stored: dict[str, Any], claimed: Claimed) -> dict[str, Any]:
    # A task that sends itself again sends the headers that it came with.
    own = (ATTEMPT_HEADER, PERMIT_HEADER)
    headers = {name: value for name, value in dict(stored).items() if name not in own}
    if claimed.attempts > 1:
        headers[ATTEMPT_HEADER] = claimed.attempts
    if claimed.permit is not None:
        headers[PERMIT_HEADER] = claimed.permit
    return headers
