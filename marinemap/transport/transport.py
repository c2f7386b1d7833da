"""A connection to the broker, as kombu and Celery use it."""

from __future__ import annotations

import atexit
import os
import re
import threading
from contextlib import suppress
from itertools import count
from time import monotonic
from typing import Any
from weakref import WeakSet

import sqlalchemy
from kombu.exceptions import ChannelError
from kombu.exceptions import ConnectionError as KombuConnectionError
from kombu.transport.base import Transport as KombuTransport

from . import DRIVER_TYPE, SCHEME
from .channel import Channel
from .consuming.consumer import Consumer
from .consuming.demand import Demand
from .database import open_database, verify
from .errors import AwayError, LeaseLostError
from .inbox import Inbox
from .options import read_options
from .providers import find_caller_transaction, find_exit_code
from .publishing.publisher import Publisher
from .publishing.topology import Topology
from .refusals import refuse

# libpq takes them before the host, and in the query.
_PASSWORD = re.compile(r"(//[^:/@]*:)[^/]*(?=@)|([?&](?:ssl)?password=)[^&]*")
# Connections to close when the process ends without having done so.
_consuming: WeakSet[Transport] = WeakSet()


@atexit.register
def _close_all() -> None:
    for transport in list(_consuming):
        with suppress(*transport.connection_errors):
            transport.close_connection(transport)


class Transport(KombuTransport):
    """One connection: its channels, and the consumer that claims for them."""

    can_parse_url = True
    driver_type = DRIVER_TYPE
    driver_name = "sqlalchemy"
    connection_errors = (AwayError, LeaseLostError, KombuConnectionError)
    recoverable_connection_errors = connection_errors
    channel_errors = (ChannelError,)

    implements = KombuTransport.implements.extend(
        asynchronous=True,
        batch_publish=True,
        exchange_type=frozenset(["direct", "topic", "fanout"]),
        heartbeats=False,
    )

    def __init__(self, client: Any, **kwargs: Any) -> None:
        self.client: Any = client
        others = [url for url in client.alt or () if url != f"{SCHEME}+{client.hostname}"]
        refuse("a connection", ssl=client.ssl, alternates=others)
        self.database = open_database(client.hostname, read_options(client.transport_options))
        self.topology = Topology(self.database)
        self.publisher = Publisher(self.database, self.topology.routes)
        self.channels: list[Channel] = []
        self.consumer: Consumer | None = None
        self._process_id = os.getpid()
        self._channel_ids = count(1)
        self._starting = threading.Lock()
        self.inbox = Inbox()
        self._has_unsure_declarations = False

    # -- connecting

    def establish_connection(self) -> Transport:
        """Connect, checking that the database is fit to be used.

        Raises
        ------
        AwayError
            The database is away.
        SystemExit
            It is, and this is the main thread of a worker that has been told to end.
        """
        try:
            verify(self.database)
        except AwayError as error:
            code = find_exit_code()
            if code is None or threading.current_thread() is not threading.main_thread():
                raise
            # Celery has kombu try again for ever, for a worker's heartbeat for instance, and
            # nobody looks meanwhile whether it should end.
            raise SystemExit(code) from error
        self.inbox.failure = None
        return self

    def verify_connection(self, connection: Any) -> bool:
        """Tell whether the connection has not been lost."""
        return self.inbox.failure is None

    def close_connection(self, connection: Any) -> None:
        """Write acknowledgements, give messages back, close all channels."""
        if self.is_inherited:
            return
        for channel in list(self.channels):
            # With the database away, the end of the lease does this.
            with suppress(*self.connection_errors):
                channel.close()
        with self._starting:
            consumer, self.consumer = self.consumer, None
        if consumer is not None:
            consumer.stop()
        self.inbox.clear()
        self.channels.clear()

    @property
    def is_inherited(self) -> bool:
        """Whether it is a parent process's connection, which a child must leave alone."""
        return self._process_id != os.getpid()

    @property
    def is_alive(self) -> bool:
        """Whether messages received on it can still be acknowledged."""
        return self.consumer is not None and self.inbox.failure is None and not self.is_inherited

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
        # Not by a library: an address of several hosts is read by libpq alone.
        hidden = _PASSWORD.sub(lambda found: (found[1] or found[2]) + mask, self.database.url)
        return f"{SCHEME}+{self.database.url if include_password else hidden}"

    # -- receiving

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Deliver from Celery's event loop whenever messages have been claimed."""
        loop.add_reader(self.inbox.arrived, self.inbox.deliver_in_turn)

    def unregister_from_event_loop(self, connection: Any, loop: Any) -> None:
        """Undo `register_with_event_loop`."""
        loop.remove_reader(self.inbox.arrived)

    def drain_events(self, connection: Any, timeout: float | None = None, **kwargs: Any) -> None:
        """Wait for a message and deliver it.

        Raises
        ------
        socket.timeout
            None came in time.
        """
        deadline = None if timeout is None else monotonic() + timeout
        while not self.inbox.deliver_next():
            left = 3600.0 if deadline is None else deadline - monotonic()
            if left <= 0:
                raise TimeoutError()
            self.inbox.arrived.wait(left)

    # -- what channels ask of their connection

    def wake(self) -> None:
        """Let the consumer look again."""
        if self.consumer is not None:
            self.consumer.wake()

    def settle_now(self) -> None:
        """Write at once what the consumer would gather."""
        if self.consumer is not None:
            self.consumer.settle_now()

    def start_consuming(self) -> Consumer:
        """Start the consumer, or tell it that there is more to consume."""
        with self._starting:
            if self.consumer is None:
                consumer = Consumer(self.database, self._find_demands, self.inbox.fail)
                consumer.start()
                self.consumer = consumer
                _consuming.add(self)
            self.consumer.wake()
            return self.consumer

    def leave_queues(self, names: set[str]) -> None:
        """Let it be known that a channel consumes from some queues no more."""
        if self.consumer is not None:
            self.consumer.leave_queues(lambda: {name for name in names if not self._consumes(name)})

    def retire_if_idle(self) -> None:
        """Give up the lease when nobody consumes and nothing is left to acknowledge."""
        with self._starting:
            consumer = self.consumer
            if consumer is None or any(channel.is_consuming for channel in self.channels):
                return
            self.consumer = None
        consumer.stop()

    def note_declaration(self) -> None:
        """Remember a declaration that the caller's transaction may yet roll back."""
        if self.database.declares_with_caller and find_caller_transaction(self.database.url):
            self._has_unsure_declarations = True

    def forget_rolled_back_declarations(self) -> None:
        """Let kombu declare again what it believes to be declared."""
        if self._has_unsure_declarations:
            self._has_unsure_declarations = False
            self.client.declared_entities.clear()

    def _consumes(self, queue_name: str) -> bool:
        return any(channel.consumes(queue_name) for channel in list(self.channels))

    def _find_demands(self) -> list[Demand]:
        return [demand for channel in list(self.channels) for demand in channel.demands]
