"""A connection to the broker, as kombu and Celery use it."""

from __future__ import annotations

import atexit
import os
import threading
from collections import deque
from contextlib import suppress
from itertools import count
from time import monotonic
from typing import Any
from weakref import WeakSet

import sqlalchemy
from kombu.exceptions import ChannelError
from kombu.exceptions import ConnectionError as KombuConnectionError
from kombu.transport.base import Transport as KombuTransport
from sqlalchemy.engine.url import make_url

from marinemap.transport import DRIVER_TYPE
from marinemap.transport.channel import Channel
from marinemap.transport.claims import Claimed, Demand, DemandKey
from marinemap.transport.deliveries import Deliveries
from marinemap.transport.engine import LOST_CONNECTION, open_database
from marinemap.transport.exchanges import Exchanges
from marinemap.transport.leases import LeaseLostError
from marinemap.transport.options import read_options
from marinemap.transport.publishing import Publisher
from marinemap.transport.wakeup import Signal

# Connections to close when the process ends without having done so.
_consuming: WeakSet[Transport] = WeakSet()


@atexit.register
def _close_all() -> None:
    for transport in list(_consuming):
        with suppress(*transport.connection_errors):
            transport.close_connection(transport)


class Transport(KombuTransport):
    """One connection: its channels, and the thread that claims for them."""

    can_parse_url = True
    driver_type = DRIVER_TYPE
    driver_name = "sqlalchemy"
    connection_errors = (*LOST_CONNECTION, LeaseLostError)
    channel_errors = (ChannelError,)

    implements = KombuTransport.implements.extend(
        asynchronous=True,
        batch_publish=True,
        exchange_type=frozenset(["direct", "topic", "fanout"]),
        heartbeats=False,
    )

    def __init__(self, client: Any, **kwargs: Any) -> None:
        self.client: Any = client
        self.database = open_database(client.hostname, read_options(client.transport_options))
        self.exchanges = Exchanges(self.database)
        self.publisher = Publisher(self.database, self.exchanges)
        self.channels: list[Channel] = []
        self._channel_ids = count(1)
        self._deliveries: Deliveries | None = None
        self._starting = threading.Lock()
        self._inbox: deque[tuple[Channel, Claimed]] = deque()
        self._arrived = Signal()
        self._failure: BaseException | None = None
        self._has_rolled_back_declarations = False

    # -- connecting

    def establish_connection(self) -> Transport:
        """Connect, checking that the database is fit to be used."""
        self.database.verify()
        self._failure = None
        return self

    def verify_connection(self, connection: Any) -> bool:
        """Tell whether the connection has not been lost."""
        return self._failure is None

    def close_connection(self, connection: Any) -> None:
        """Write acknowledgements, give messages back, close all channels."""
        if self.is_inherited:
            return
        for channel in list(self.channels):
            # With the database away, the next connection or the end of the lease does this.
            with suppress(*self.connection_errors):
                channel.close()
        with self._starting:
            deliveries, self._deliveries = self._deliveries, None
        if deliveries is not None:
            deliveries.stop([claimed.message_id for _, claimed in self._inbox])
        self._inbox.clear()
        self.channels.clear()

    @property
    def is_inherited(self) -> bool:
        """Whether it is a parent process's connection, which a child must leave alone."""
        return self.database.process_id != os.getpid()

    @property
    def is_alive(self) -> bool:
        """Whether messages received on it can still be acknowledged."""
        return self._deliveries is not None and self._failure is None and not self.is_inherited

    def create_channel(self, connection: Any) -> Channel:
        """Return a new channel."""
        channel = Channel(self, next(self._channel_ids))
        self.channels.append(channel)
        return channel

    def close_channel(self, channel: Channel) -> None:
        """Forget a channel."""
        if channel in self.channels:
            self.channels.remove(channel)

    def driver_version(self) -> str:
        """Return SQLAlchemy's version."""
        return sqlalchemy.__version__

    def as_uri(self, uri: str, include_password: bool = False, mask: str = "**") -> str:
        """Return the address for display, its password masked."""
        shown = make_url(self.database.url).render_as_string(hide_password=not include_password)
        return f"marinemap+{shown}".replace("***", mask)

    # -- receiving

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Deliver from Celery's event loop whenever messages have been claimed."""
        loop.add_reader(self._arrived, self._deliver_all)

    def unregister_from_event_loop(self, connection: Any, loop: Any) -> None:
        """Undo `register_with_event_loop`."""
        loop.remove_reader(self._arrived)

    def drain_events(self, connection: Any, timeout: float | None = None, **kwargs: Any) -> None:
        """Wait for a message and deliver it.

        Raises
        ------
        socket.timeout
            None came in time.
        """
        deadline = None if timeout is None else monotonic() + timeout
        while not self._deliver_next():
            left = 3600.0 if deadline is None else deadline - monotonic()
            if left <= 0:
                raise TimeoutError()
            self._arrived.wait(left)

    def _deliver_all(self) -> None:
        # Only as many as are there now: the loop has other work too.
        for _ in range(max(1, len(self._inbox))):
            self._deliver_next()

    def _deliver_next(self) -> bool:
        self._arrived.clear()
        if self._failure is not None:
            raise self._failure
        if not self._inbox:
            return False
        channel, claimed = self._inbox.popleft()
        try:
            channel.deliver(claimed)
        finally:
            if self._inbox:
                self._arrived.set()
        return True

    # -- what channels ask of their connection

    @property
    def deliveries(self) -> Deliveries:
        """The thread that claims for this connection."""
        if self._deliveries is None:
            raise KombuConnectionError("the connection is closed")
        return self._deliveries

    def wake(self) -> None:
        """Let the claiming thread look again."""
        if self._deliveries is not None:
            self._deliveries.wake()

    def write_acknowledgements(self) -> None:
        """Write at once what the claiming thread would gather."""
        if self._deliveries is not None:
            self._deliveries.write_acknowledgements()

    def notice_consumers(self) -> None:
        """Tell the claiming thread that a consumer has gone."""
        if self._deliveries is not None:
            self._deliveries.notice_consumers()

    def start_consuming(self) -> Deliveries:
        """Start the claiming thread, or tell it of a new consumer."""
        with self._starting:
            if self._deliveries is None:
                deliveries = Deliveries(self.database, self._find_demands, self._fail)
                deliveries.start()
                self._deliveries = deliveries
                _consuming.add(self)
            self._deliveries.lease.queue_names = self._find_queue_names()
            self._deliveries.notice_consumers()
            return self._deliveries

    def retire_if_idle(self) -> None:
        """Give up the lease when nobody consumes and nothing is left to acknowledge."""
        with self._starting:
            deliveries = self._deliveries
            if deliveries is None or any(channel.is_consuming for channel in self.channels):
                return
            self._deliveries = None
        deliveries.stop([])

    def claim_one(self, channel: Channel, queue_name: str) -> Claimed | None:
        """Claim a single message in the caller's own thread."""
        claimed: list[Claimed] = []
        key = DemandKey(channel.channel_id, False, (queue_name,))
        demand = Demand(key, key.queue_names, 1, False, claimed.extend)
        self.start_consuming().claim_now(demand)
        channel.hold(claimed)
        return claimed[0] if claimed else None

    def queue_deliveries(self, channel: Channel, claimed: list[Claimed]) -> None:
        """Take messages from the claiming thread, to deliver them in the consumer's."""
        self._inbox.extend((channel, one) for one in claimed)
        self._arrived.set()

    def return_undelivered(self, channel: Channel) -> None:
        """Give back what waits here for consumers that a channel no longer has."""
        waiting = [self._inbox.popleft() for _ in range(len(self._inbox))]
        for owner, claimed in waiting:
            if owner is channel and claimed.queue_name not in channel.queue_names:
                channel.return_unseen(claimed)
            else:
                self._inbox.append((owner, claimed))

    def note_declaration(self) -> None:
        """Remember a declaration that the caller's transaction may yet roll back."""
        if self.database.dialect_name == "sqlite" and self.database.is_in_callers_transaction():
            self._has_rolled_back_declarations = True

    def forget_rolled_back_declarations(self) -> None:
        """Let kombu declare again what it believes to be declared."""
        if self._has_rolled_back_declarations:
            self._has_rolled_back_declarations = False
            self.client.declared_entities.clear()

    def _find_demands(self) -> list[Demand]:
        batch = self.database.options.claim_batch
        return [demand for one in list(self.channels) for demand in one.find_demands(batch)]

    def _find_queue_names(self) -> frozenset[str]:
        return frozenset(name for channel in self.channels for name in channel.queue_names)

    def _fail(self, error: BaseException) -> None:
        self._failure = error
        self._arrived.set()
