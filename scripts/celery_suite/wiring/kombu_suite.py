"""kombu's own integration tests, its classes pointed at whatever broker is under test."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

import kombu
import pytest
from t.integration.common import (
    BaseEventLoop,
    BaseExchangeTypes,
    BaseMessage,
    BasePriority,
    BaseTimeToLive,
    BasicFunctionality,
)
from t.integration.test_redis import test_RedisPublishBatch as RedisPublishBatch

_BROKER = os.environ["TEST_BROKER"]
_IS_REDIS = _BROKER.startswith("redis")


@pytest.fixture
def connection() -> kombu.Connection:
    return kombu.Connection(_BROKER)


@pytest.fixture
def invalid_connection() -> kombu.Connection:
    """A connection that cannot be made."""
    if _IS_REDIS:
        return kombu.Connection("redis://127.0.0.1:1")
    if "sqlite" in _BROKER:
        return kombu.Connection(f"{_BROKER}/nothing/here")
    return kombu.Connection(f"{_BROKER.partition('://')[0]}://postgres@127.0.0.1:1/nothing")


class TestBasicFunctionality(BasicFunctionality):
    pass


class TestExchangeTypes(BaseExchangeTypes):
    pass


class TestTimeToLive(BaseTimeToLive):
    pass


class DrainingConnection(kombu.Connection):
    """Drains as RabbitMQ's does, where what follows a message comes with it."""

    def drain_events(self, **options: Any) -> None:
        super().drain_events(**options)
        with suppress(TimeoutError):
            while True:
                super().drain_events(timeout=1)


class TestPriority(BasePriority):
    # AMQP's highest is first, Redis's lowest.
    PRIORITY_ORDER = "desc" if _IS_REDIS else "asc"

    @pytest.fixture
    def connection(self) -> kombu.Connection:
        return DrainingConnection(_BROKER)


class TestMessage(BaseMessage):
    pass


class TestEventLoop(BaseEventLoop):
    pass


class TestPublishBatch(RedisPublishBatch):
    # Made for an option, an order of priorities and a store that only Redis has.
    test_retry_on_timeout_keeps_publication_immediate = None
    test_direct_priority_and_fifo = None
    test_fanout_is_deferred_until_flush = None


# Imported for its subclass, and else found here as well.
del RedisPublishBatch
