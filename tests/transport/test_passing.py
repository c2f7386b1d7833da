"""Two who pass each other: a queue that goes and who comes to it, a message that two want."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from typing import Any

import pytest
from amqp.exceptions import NotFound
from kombu import Exchange, Queue

from marinemap.transport.consuming.clearing import clear_away
from marinemap.transport.consuming.lease import Lease
from marinemap.transport.consuming.rates import adopt
from marinemap.transport.consuming.settlements import Returned, Settlements
from marinemap.transport.database import Database
from marinemap.transport.operating.position import withdraw
from marinemap.transport.publishing import queues
from tests.transport.conftest import Broker, Inbox, wait_until

pytestmark = pytest.mark.usefixtures("patient_statements")

ONE_WRITER = "SQLite has one writer: two transactions do not pass each other"


def declare(broker: Broker, **options: Any) -> None:
    broker.connect().default_channel.queue_declare("q", **options)


def send(broker: Broker, body: str, **properties: Any) -> None:
    channel = broker.connect().default_channel
    message = channel.prepare_message(body, properties={"correlation_id": body, **properties})
    channel.basic_publish(message, exchange="", routing_key="q")


def waiting(broker: Broker) -> list[str]:
    found = broker.rows("SELECT correlation_id FROM broker_messages ORDER BY id")
    return [row[0] for row in found]


# -- queues


def test_who_subscribes_as_the_last_consumer_leaves_keeps_the_queue(broker: Broker) -> None:
    """The queue went, as the one who left saw no other: his row was yet to be committed."""
    if broker.dialect == "sqlite":
        pytest.skip(ONE_WRITER)
    declare(broker, auto_delete=True)
    with closing(broker.database.open_session()) as session:
        lease = Lease(broker.database, "who comes")
        lease.acquire(session)
        with session.begin(), pytest.MonkeyPatch.context() as patched:
            patched.setattr(session, "begin", nullcontext)
            lease.subscribe(session, frozenset({"q"}))
            leaving = waiting_thread(broker, lambda: leave(broker.database))
    leaving.join(120)
    assert broker.count("broker_queues") == 1
    with broker.database.transaction() as session:
        session.run("DELETE FROM broker_subscriptions")
    queues.delete_unused(broker.database, {"q"})
    assert broker.count("broker_queues") == 0


def waiting_thread(broker: Broker, act: Callable[[], None]) -> threading.Thread:
    """Return a thread that acts, once it waits for the lock of another, or is done."""
    thread = threading.Thread(target=act)
    thread.start()
    waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    wait_until(lambda: broker.rows(waits) or not thread.is_alive(), "waiting")
    return thread


def test_queue_goes_though_another_who_leaves_has_it_locked(broker: Broker) -> None:
    """It was passed by: the last two, leaving at once, each left it to the other for ever."""
    if broker.dialect == "sqlite":
        pytest.skip(ONE_WRITER)
    declare(broker, auto_delete=True)
    with broker.database.transaction() as session:
        # As one does who has just seen that somebody consumes.
        session.run("SELECT 1 AS one FROM broker_queues FOR UPDATE")
        leaving = waiting_thread(broker, lambda: leave(broker.database))
    leaving.join(120)
    assert broker.count("broker_queues") == 0


def test_queue_that_goes_meanwhile_is_not_bound(broker: Broker) -> None:
    """The binding stayed, for whoever had a queue of that name next."""
    if broker.dialect == "sqlite":
        pytest.skip(ONE_WRITER)
    declare(broker)
    channel = broker.connect().default_channel
    refused: list[NotFound] = []

    def bind() -> None:
        try:
            channel.queue_bind("q", "amq.direct", "k")
        except NotFound as error:
            refused.append(error)

    with broker.database.transaction() as session:
        session.run("DELETE FROM broker_queues")
        binding = waiting_thread(broker, bind)
    binding.join(120)
    assert broker.count("broker_bindings") == 0
    assert len(refused) == 1


def delete(database: Database) -> None:
    queues.delete_queue(database, "q", if_unused=False, if_empty=False)


def leave(database: Database) -> None:
    queues.delete_unused(database, {"q"})


@pytest.mark.parametrize("let_go", [delete, leave])
def test_messages_of_a_new_queue_of_that_name_stay(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, let_go: Callable[[Database], None]
) -> None:
    """Those of the old one are deleted piece by piece, after it has gone."""
    declare(broker, auto_delete=True)
    send(broker, "old")
    transaction, to_come = Database.transaction, ["new"]

    @contextmanager
    def followed(self: Database) -> Iterator[Any]:
        with transaction(self) as session:
            yield session
        while to_come:
            declare(broker, auto_delete=True)
            send(broker, to_come.pop())

    monkeypatch.setattr(Database, "transaction", followed)
    let_go(broker.database)
    assert waiting(broker) == ["new"]


def test_message_that_comes_as_its_empty_queue_is_deleted_is_not_lost(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    if broker.dialect == "sqlite":
        pytest.skip(ONE_WRITER)
    declare(broker)
    count, to_come = queues.count_waiting, ["late"]

    def followed(*which: Any) -> int:
        found = count(*which)
        send(broker, to_come.pop())
        return found

    monkeypatch.setattr(queues, "count_waiting", followed)
    assert queues.delete_queue(broker.database, "q", if_unused=False, if_empty=True) == 0
    assert waiting(broker) == ["late"]


# -- messages


def purge(broker: Broker) -> None:
    queues.purge(broker.database, "q")


def cancel(broker: Broker) -> None:
    with broker.database.session() as session:
        withdraw(session, ["wanted"])


def expire(broker: Broker) -> None:
    clear_away(broker.database)


@pytest.mark.parametrize("take_away", [purge, cancel, expire])
def test_message_that_is_being_claimed_is_not_taken_away(
    broker: Broker, take_away: Callable[[Broker], None]
) -> None:
    if broker.dialect == "sqlite":
        pytest.skip(ONE_WRITER)
    # It expires at this moment.
    send(broker, "wanted", expiration=0)
    with broker.database.transaction() as session:
        # As a claim does that began before.
        session.run("UPDATE broker_messages SET claimed_by = 'who comes'")
        take_away(broker)
    assert broker.rows("SELECT claimed_by FROM broker_messages") == [("who comes",)]


@pytest.mark.parametrize("back", [Returned(0), Returned(0, is_unseen=True), Returned(0, reason="")])
def test_who_lost_the_lease_settles_nothing_of_the_next_who_has_it(
    broker: Broker, back: Returned
) -> None:
    send(broker, "wanted")
    broker.rows("UPDATE broker_messages SET claimed_by = 'the next', attempts = 2")
    (number,) = broker.rows("SELECT id FROM broker_messages")[0]
    settlements = Settlements(broker.database, "who was taken for dead")
    reason = "rejected" if back.reason is not None else None
    settlements.give_back(Returned(number, back.is_unseen, reason))
    with broker.database.session() as session:
        settlements.write(session)
        settlements.give_back_unheard(session)
    found = broker.rows("SELECT claimed_by, attempts FROM broker_messages")
    assert found == [("the next", 2)] and not broker.count("broker_dead_letters")


def test_who_lost_the_lease_takes_nothing_from_the_next_for_a_rate(broker: Broker) -> None:
    """What it gave back to wait for a rate was in another's hands by then, and came again."""
    if broker.dialect == "sqlite":
        pytest.skip(ONE_WRITER)
    send(broker, "wanted")
    broker.rows("UPDATE broker_messages SET claimed_by = 'who was taken for dead', attempts = 1")
    (number,) = broker.rows("SELECT id FROM broker_messages")[0]

    def give_back() -> None:
        with broker.database.session() as session:
            adopt(broker.database, session, "who was taken for dead", [number])

    with broker.database.transaction() as session:
        session.run("UPDATE broker_messages SET claimed_by = 'the next', attempts = 2")
        giving_back = waiting_thread(broker, give_back)
    giving_back.join(120)
    assert broker.rows("SELECT claimed_by, attempts FROM broker_messages") == [("the next", 2)]


DIES_BEFORE_IT_TELLS = """
import os, sys
from kombu import Connection
from marinemap import transport
from marinemap.transport.database import open_database
from marinemap.transport.options import Options

transport.register()
connection = Connection("marinemap+" + sys.argv[1])
type(open_database(sys.argv[1], Options())).notify = lambda *told, **options: os._exit(9)
channel = connection.default_channel
channel.basic_publish(channel.prepare_message("stored"), exchange="", routing_key="q")
"""


def test_message_of_one_who_died_before_telling_of_it_is_found(broker: Broker) -> None:
    inbox = Inbox(broker.connect(), Queue("q", Exchange(""), "q"))
    if broker.dialect == "postgresql":
        asleep = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock'"
        wait_until(lambda: broker.rows(asleep), "the consumer's sleep")
    died = subprocess.run([sys.executable, "-c", DIES_BEFORE_IT_TELLS, broker.url], check=False)
    assert died.returncode == 9
    assert inbox.receive(1) == ["stored"]
