"""A message on its way to a consumer."""

from __future__ import annotations

from typing import Any

from kombu.message import Message as KombuMessage


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
