"""Locks of exclusive tasks: one holder, by a lease; who lost it writes nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.models.functions import Now

from marinemap.errors import ServiceError
from marinemap.tasks import exclusive as locks
from marinemap.tasks.exclusive import ALREADY_RUNNING, LockLostError, exclusive, held_lock
from marinemap.tasks.models import ExclusiveLock, Fault
from tests.running_site import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(locks, "_RENEW_EVERY_SECONDS", 0.05)
    yield
    # Threads that renew see the end of their task at the next look.
    wait_for(
        lambda: not any(thread.name.startswith("lock-") for thread in threading.enumerate()),
        "the end of renewing",
    )


def make_stale(lock_id: str) -> None:
    ExclusiveLock.objects.filter(pk=lock_id).update(seen_at=Now() - locks.LEASE * 2)


def test_call_within_another_finds_it_running() -> None:
    @exclusive("quay")
    def inner() -> str:
        return "inner ran"

    @exclusive("quay")
    def outer() -> str:
        return inner()

    assert outer() == ALREADY_RUNNING
    assert inner() == "inner ran"


def test_other_lock_is_another_matter() -> None:
    @exclusive("one")
    def outer() -> str:
        return exclusive("two")(lambda: "ran")()

    assert outer() == "ran"


def test_lock_is_free_after_an_error() -> None:
    @exclusive("quay")
    def sink() -> None:
        raise ValueError("sunk")

    for _ in range(2):
        with pytest.raises(ValueError, match="sunk"):
            sink()


def test_lease_is_renewed_while_the_task_runs() -> None:
    @exclusive("quay")
    def wait_for_renewal() -> str:
        make_stale("quay")
        fresh = ExclusiveLock.objects.filter(seen_at__gt=Now() - locks.LEASE)
        wait_for(fresh.exists, "a renewal")
        return "renewed"

    assert wait_for_renewal() == "renewed"


def test_who_lost_the_lock_neither_writes_nor_ends_as_holder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As of a process that is stopped: it renews nothing.
    monkeypatch.setattr(locks, "_RENEW_EVERY_SECONDS", 600)

    @exclusive("quay")
    def zombie() -> str:
        make_stale("quay")
        assert exclusive("quay")(lambda: "taken over")() == "taken over"
        lost = pytest.raises(LockLostError, match="another task has the lock 'quay'")
        with lost, held_lock().fenced():
            Fault.objects.create(pk="x", told_at=Now(), failed_at=Now())
        return "done"

    monkeypatch.setattr(locks.Hold, "begin", lambda self: None)
    with pytest.raises(LockLostError):
        zombie()
    assert not Fault.objects.exists()


def test_end_whose_answer_is_lost_is_an_end_though_another_has_the_lock_by_then() -> None:
    """The connection breaks after the commit, and another takes the lock before the next try."""
    to_lose, taken = ["the first"], []

    def lose_answer(execute: Any, sql: str, *others: Any) -> Any:
        answer = execute(sql, *others)
        if sql.startswith("UPDATE") and to_lose:
            to_lose.clear()
            taken.append(locks._take("quay", "another"))
            raise OperationalError("server closed the connection unexpectedly")
        return answer

    @exclusive("quay")
    def work() -> str:
        losing.enter_context(connection.execute_wrapper(lose_answer))
        return "done"

    with ExitStack() as losing:
        assert work() == "done"
    assert taken == [2]
    # Nor is it let go from under the other.
    assert ExclusiveLock.objects.get(holder="another").seen_at is not None


def test_lock_taken_before_the_clock_was_set_back_expires() -> None:
    ExclusiveLock.objects.create(lock_id="quay", token=7, seen_at=Now() + timedelta(days=1))
    assert exclusive("quay")(lambda: "ran")() == "ran"
    assert ExclusiveLock.objects.get().token == 8


def test_of_many_at_once_one_runs() -> None:
    begun, may_end, ran = threading.Barrier(6), threading.Event(), []

    @exclusive("quay")
    def run() -> str:
        ran.append(1)
        may_end.wait(120)
        return "ran"

    def call(answers: list[str]) -> None:
        begun.wait(120)
        answers.append(run())
        if len(answers) == 5:
            may_end.set()
        connection.close()

    answers: list[str] = []
    threads = [threading.Thread(target=call, args=[answers]) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    assert len(ran) == 1 and sorted(answers) == [ALREADY_RUNNING] * 5 + ["ran"]


def test_writing_without_a_lock_is_refused() -> None:
    with pytest.raises(ServiceError, match="no lock is held here"):
        held_lock()


@pytest.mark.parametrize("name", ["", "x" * 201, None])
def test_lock_needs_a_name(name: str) -> None:
    with pytest.raises(ServiceError, match="a lock has a name"):
        exclusive(name)
