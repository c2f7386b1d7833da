"""What becomes of the messages of a consumer that died, hung or was cut off."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from types import SimpleNamespace

import pytest

from marinemap.transport.consuming.demand import Demand
from marinemap.transport.consuming.janitor import CONSUMERS, Janitor, reclaim
from marinemap.transport.consuming.rates import RateStatements
from marinemap.transport.consuming.rounds import Rounds
from marinemap.transport.consuming.work import Work
from marinemap.transport.database.signals import Signal
from marinemap.transport.errors import LeaseLostError
from tests.stopping import stop_between_writes, stop_wholly
from tests.transport.conftest import Broker, Inbox, publish, wait_until
from tests.transport.interference import count_waiting_at_gate, held_up_reading
from tests.transport.workers import REPOSITORY

# A process that claims one message and holds it until it is killed.
HOLDER = """
import sys
from tests.transport.conftest import Broker, Inbox
broker = Broker(sys.argv[1], {"lease_seconds": float(sys.argv[2])})
inbox = Inbox(broker.connect(), prefetch_count=1)
inbox.receive(1)
print("holding", flush=True)
if sys.argv[3] == "hold":
    import time
    time.sleep(600)
"""


def start_holder(
    broker: Broker, lease_seconds: float = 2, then: str = "hold"
) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, broker.url, str(lease_seconds), then],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "holding\n"
    return process


def bury_consumers(broker: Broker) -> int:
    """Take all consumers for dead, as a janitor does that has watched them for long enough."""
    with broker.database.session() as session:
        everyone = session.run(CONSUMERS)
    return reclaim(broker.database, everyone)


def stop(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_killed_consumers_message_is_delivered_again(broker: Broker) -> None:
    publish(broker.connect(), "survivor")
    stop(start_holder(broker))
    inbox = Inbox(broker.connect())
    assert inbox.receive(1) == ["survivor"]
    assert inbox.messages[0].delivery_info["redelivered"] is True
    assert broker.count("broker_consumers") == 1


def test_killed_process_of_this_machine_is_dead_at_once(broker: Broker) -> None:
    """On PostgreSQL the lease was watched to its end: a restarted worker waited for its own."""
    publish(broker.connect(), "survivor")
    stop(start_holder(broker, lease_seconds=600))
    inbox = Inbox(broker.connect(lease_seconds=1))
    assert inbox.receive(1) == ["survivor"]


@pytest.mark.parametrize("broker", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    "change",
    [
        "lock_offset = NULL",
        "lock_offset = lock_offset + 4294967296",
        "hostname = 'elsewhere'",
    ],
)
def test_process_that_cannot_be_seen_from_here_is_not_taken_for_dead(
    broker: Broker, change: str
) -> None:
    """Of an older release; of another machine or container, though it may have our name."""
    publish(broker.connect(), "elsewhere")
    stop(start_holder(broker, lease_seconds=600))
    broker.rows(f"UPDATE broker_consumers SET {change}")
    assert find_dead(broker) == 0


@pytest.mark.parametrize("broker", ["postgresql"], indirect=True)
def test_number_of_a_process_may_belong_to_a_later_one(broker: Broker) -> None:
    publish(broker.connect(), "left behind")
    holder = start_holder(broker, lease_seconds=600)
    assert find_dead(broker) == 0
    holder.send_signal(signal.SIGSTOP)
    assert find_dead(broker) == 0, "a stopped process is none that has ended"
    stop(holder)
    broker.rows(f"UPDATE broker_consumers SET process_id = {os.getpid()}")
    assert find_dead(broker) == 1


_PLACE_BEHIND_ANOTHERS_PROC = """
import os
from marinemap.transport.database.postgresql_life import _place
assert os.getpid() == 1
print(_place())
"""


def test_processes_are_not_looked_up_in_a_proc_of_another_namespace() -> None:
    """There a number is another process, whose end would have been taken for its own."""
    apart = ["unshare", "--pid", "--fork", sys.executable, "-c", _PLACE_BEHIND_ANOTHERS_PROC]
    process = subprocess.run(apart, cwd=REPOSITORY, capture_output=True, text=True, timeout=180)
    if "unshare failed" in process.stderr:
        pytest.skip("only root may make a namespace")
    assert process.stdout == "None\n", process.stderr


def find_dead(broker: Broker) -> int:
    """Count the consumers that one who looks for the first time takes for dead."""
    with broker.database.session() as session:
        return len(broker.database.make_life().find_dead(session.run(CONSUMERS)))


def test_living_consumer_keeps_its_message_beyond_a_lease(broker: Broker) -> None:
    publish(broker.connect(), "mine")
    holder = start_holder(broker, lease_seconds=1)
    try:
        inbox = Inbox(broker.connect())
        assert inbox.receives_nothing(3)
    finally:
        stop(holder)


def test_lease_is_renewed_amid_a_round(broker: Broker) -> None:
    # A look at each of thousands of queues may take longer than a lease lasts.
    database = broker.database
    work = Work(database)
    expiries: list[int] = []

    def find_room_after_long() -> int:
        expiries.append(broker.rows("SELECT lease_expires_at_ms FROM broker_consumers")[0][0])
        wait_until(lambda: work.lease.seconds_left < 0, "the time to renew")
        return 1

    demand = Demand("tasks", False, find_room_after_long, lambda: False, lambda claimed: None)
    with closing(database.open_consumer_session()) as session:
        work.lease.acquire(session)
        janitor = Janitor(database, work.consumer_id)
        rounds = Rounds(
            database, session, work, lambda: [demand], RateStatements(database), janitor, Signal()
        )
        with closing(rounds):
            rounds.begin()
            rounds.go_round()
        work.release(session)
    work.lease.end_life()
    # Asked before the look whether there is room, and in it: between the two it was renewed.
    assert expiries[0] < expiries[1]


def test_process_that_ends_without_closing_gives_back_at_once(broker: Broker) -> None:
    publish(broker.connect(), "left behind")
    holder = start_holder(broker, lease_seconds=600, then="exit")
    assert holder.wait(120) == 0
    holder.communicate()
    assert broker.count("broker_consumers") == 0
    assert Inbox(broker.connect()).receive(1) == ["left behind"]


def test_hung_consumers_late_acknowledgement_is_refused(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    publish(broker.connect(), "contested")
    # It does not find out before it acknowledges.
    zombie = Inbox(broker.connect(lease_seconds=600))
    zombie.receive(1)
    # As another consumer sees a process that was stopped for longer than its lease.
    assert bury_consumers(broker) == 1
    heir = Inbox(broker.connect(), prefetch_count=1)
    assert heir.receive(1) == ["contested"]
    with caplog.at_level(logging.WARNING):
        zombie.messages[0].ack()
        wait_until(lambda: "acknowledgements were refused" in caplog.text, "the refusal")
    assert broker.count("broker_messages", "claimed_by IS NOT NULL") == 1
    heir.messages[0].ack()
    wait_until(lambda: broker.count("broker_messages") == 0, "deleting the message")


def test_consumer_whose_lease_was_taken_stops_claiming(broker: Broker) -> None:
    inbox = Inbox(broker.connect())
    assert inbox.receives_nothing(0.1)
    broker.rows("DELETE FROM broker_consumers")
    publish(broker.connect(), "not for you")
    with pytest.raises(LeaseLostError):
        while True:
            inbox.receives_nothing(1)
    assert inbox.messages == []
    assert broker.count("broker_messages", "claimed_by IS NULL") == 1


def test_frozen_process_loses_its_messages_and_starts_anew(broker: Broker) -> None:
    if broker.dialect == "sqlite":
        pytest.skip("a stopped process holds its lock on the file, and so is alive")
    publish(broker.connect(), "thawed")
    holder = start_holder(broker, lease_seconds=1)
    try:
        stop_wholly(holder.pid)
        inbox = Inbox(broker.connect())
        assert inbox.receive(1) == ["thawed"]
    finally:
        holder.send_signal(signal.SIGCONT)
        stop(holder)


def test_stopped_process_keeps_its_message_on_sqlite(broker: Broker) -> None:
    if broker.dialect != "sqlite":
        pytest.skip("on PostgreSQL a stopped process is dead after its lease")
    publish(broker.connect(), "kept")
    holder = start_holder(broker, lease_seconds=1)
    try:
        stop_between_writes(broker.file, holder.pid)
        # Its janitor looks each quarter of a second.
        inbox = Inbox(broker.connect(lease_seconds=1))
        assert inbox.receives_nothing(3)
        stop(holder)
        assert inbox.receive(1) == ["kept"]
    finally:
        if holder.poll() is None:
            stop(holder)


def test_dead_consumer_is_removed_together_with_giving_back(broker: Broker) -> None:
    publish(broker.connect(), "whole")
    stop(start_holder(broker, lease_seconds=1))
    observed: list[tuple[int, int]] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            observed.append(
                broker.rows(
                    "SELECT (SELECT count(*) FROM broker_consumers),"
                    " (SELECT count(*) FROM broker_messages WHERE claimed_by IS NOT NULL)"
                )[0]
            )

    watcher = threading.Thread(target=watch)
    watcher.start()
    wait_until(lambda: bury_consumers(broker), "reclaiming")
    done.set()
    watcher.join()
    assert set(observed) <= {(1, 1), (0, 0)}


def test_exhausted_message_of_a_dead_consumer_is_buried(broker: Broker) -> None:
    publish(broker.connect(), "killer")
    stop(start_holder(broker, lease_seconds=1))
    connection = broker.connect(delivery_limit=1)
    inbox = Inbox(connection)
    wait_until(lambda: broker.count("broker_dead_letters"), "burying the message")
    assert inbox.receives_nothing(0.1)


def test_child_process_leaves_its_parents_claims_alone(broker: Broker) -> None:
    publish(broker.connect(), "the parent's")
    connection = broker.connect()
    inbox = Inbox(connection)
    inbox.receive(1)
    child = os.fork()
    if child == 0:
        # The child closes what it inherited and publishes on its own.
        try:
            connection.release()
            publish(broker.connect(), "the child's")
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert inbox.receive(2) == ["the parent's", "the child's"]
    for message in inbox.messages:
        message.ack()
    wait_until(lambda: broker.count("broker_messages") == 0, "deleting the messages")


def test_message_is_there_while_it_waits_or_a_consumer_has_it(broker: Broker) -> None:
    channel = broker.connect().default_channel
    assert not channel.has_message("x")
    publish(broker.connect(), "x", correlation_id="x")
    assert channel.has_message("x")
    holder = start_holder(broker)
    assert channel.has_message("x")
    holder.kill()
    holder.wait(120)
    holder.stdout.close()
    # The dead one's message is on its way back: whoever asks need not send it again.
    assert channel.has_message("x")
    assert bury_consumers(broker) == 1
    assert channel.has_message("x")


def test_message_is_withdrawn_while_nobody_has_it(broker: Broker) -> None:
    channel = broker.connect().default_channel
    for name in ("held", "waiting", "another"):
        publish(broker.connect(), name, correlation_id=name)
    inbox = Inbox(broker.connect(), prefetch_count=1)
    assert inbox.receive(1) == ["held"]
    assert not channel.withdraw_all(["held"])
    assert channel.withdraw_all(["waiting"])
    assert not channel.withdraw_all(["waiting"])
    inbox.messages.pop().ack()
    assert inbox.receive(1) == ["another"]


def test_consumer_of_a_forked_child_leaves_nothing_behind(broker: Broker) -> None:
    # The parent's database object is inherited, as by a web server that loads its app first.
    publish(broker.connect(), "for the child")
    child = os.fork()
    if child == 0:
        try:
            inbox = Inbox(broker.connect())
            inbox.receive(1)
            inbox.connection.release()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert broker.count("broker_consumers") == 0
    assert broker.count("broker_messages", "claimed_by IS NULL") == 1


@pytest.mark.parametrize("broker", ["postgresql"], indirect=True)
def test_message_that_a_newcomer_claims_while_orphans_are_sought_is_its_own(
    broker: Broker,
) -> None:
    """The look for orphans knew who lived when it began, and saw the row as it was by then."""
    publish(broker.connect(), "held")
    broker.rows("UPDATE broker_messages SET claimed_by = 'dead'")
    gone = SimpleNamespace(consumer_id="gone", lease_expires_at_ms=0)
    with ThreadPoolExecutor() as pool:
        with held_up_reading(broker, "broker_messages") as holder:
            released = pool.submit(reclaim, broker.database, [gone])
            wait_until(lambda: count_waiting_at_gate(broker), "the look for orphans")
            # Another gives it back meanwhile, and one that has just started claims it.
            holder.execute(
                "INSERT INTO broker_consumers (consumer_id, hostname, process_id, started_at_ms, "
                "lease_expires_at_ms) VALUES ('newcomer', 'here', 1, 0, 0)"
            )
            holder.execute("UPDATE kept SET claimed_by = 'newcomer'")
        assert released.result(120) == 0
    assert broker.rows("SELECT claimed_by FROM kept") == [("newcomer",)]
