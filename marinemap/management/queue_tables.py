"""What ``manage.py queue`` shows, as lines of text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from marinemap.errors import quote
from marinemap.management.brokers import QueueDepth, Waiting
from marinemap.transport.operating.dead_letters import DeadLetter
from marinemap.transport.operating.summary import Summary

_WORKER_HEADS = ("worker on", "process", "kind", "lease for", "lease left", "holds")


def describe_depths(depths: Sequence[QueueDepth]) -> Iterable[str]:
    """Yield the queues of a broker that tells no more."""
    rows = [(d.queue_name, d.waiting, "-" if d.consumers is None else d.consumers) for d in depths]
    return table(("queue", "waiting", "consumers"), rows)


def describe_waiting(messages: Sequence[Waiting]) -> Iterable[str]:
    """Yield messages that wait."""
    rows = [(message.task_id, message.task_name, message.owner) for message in messages]
    return table(("task id", "task", "owner"), rows)


def describe_summary(summary: Summary, caretakers: set[tuple[str, int]]) -> Iterable[str]:
    """Yield queues, workers and rates."""
    queues = [
        (
            q.queue_name,
            q.waiting,
            q.waiting_for_rate,
            q.due_later,
            q.claimed,
            q.dead,
            round(q.oldest_seconds),
            round(q.claim_latency_seconds, 1),
        )
        for q in summary.queues
    ]
    heads = (
        "queue",
        "waiting",
        "for a rate",
        "due later",
        "working",
        "dead",
        "oldest s",
        "latency s",
    )
    yield from table(heads, queues)
    yield ""
    consumers = [
        (
            c.hostname,
            c.process_id,
            "caretaker" if (c.hostname, c.process_id) in caretakers else "worker",
            f"{c.lease_age_seconds:.0f} s",
            f"{c.lease_seconds_left:.0f} s",
            c.messages_held,
        )
        for c in summary.consumers
    ]
    yield from table(_WORKER_HEADS, consumers)
    yield ""
    rates = [
        (r.task_name, r.rate, f"{r.starts_in_window} of {r.max_starts}") for r in summary.rates
    ]
    yield from table(("task with a rate", "rate", "starts used"), rates)


def describe_dead(letters: list[DeadLetter]) -> Iterable[str]:
    """Yield dead letters."""
    rows = [
        (
            letter.id,
            datetime.fromtimestamp(letter.died_at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ"),
            letter.queue_name,
            letter.task_name or "",
            letter.owner,
            letter.attempts,
            letter.reason,
        )
        for letter in letters
    ]
    return table(("id", "died at", "queue", "task", "owner", "attempts", "reason"), rows)


def table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> Iterable[str]:
    """Yield aligned lines, numbers to the right; 'none' below the heads where there is no row."""
    cells = [[quote(str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    is_number = [
        bool(rows) and isinstance(cell, int | float) for cell in (rows[0] if rows else heads)
    ]
    for line in (heads, *cells):
        aligned = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, is_number, strict=True)
        )
        yield "  ".join(aligned).rstrip()
    if not rows:
        yield "none"
