"""The tables that the broker's benchmark prints, and what the figures are held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.broker_measures import Figures
from benchmarks.targets import Target

POSTGRESQL, SQLITE = "MarineMap, PostgreSQL", "MarineMap, SQLite"
RABBITMQ, CONFIRMED = "RabbitMQ", "RabbitMQ, confirms"
REDIS, REDIS_ALWAYS = "Redis, everysec", "Redis, fsync always"
SQLALCHEMY = "kombu's SQLAlchemy"
FLOORS = {POSTGRESQL: "floor, PostgreSQL", SQLITE: "floor, SQLite"}


@dataclass
class Results:
    """All that one run has measured."""

    figures: Mapping[str, Figures]
    # Milliseconds for each message with a short and with a long backlog.
    claims: dict[str, dict[int, float]] = field(default_factory=dict)
    # By broker and what is done to another queue, by length of the backlog.
    neighbours: dict[str, dict[str, dict[int, float]]] = field(default_factory=dict)
    # By broker and what is asked for, by number of owners.
    owners: dict[str, dict[str, dict[int, float]]] = field(default_factory=dict)
    connections: int | None = None
    worker_rates: dict[int, float] = field(default_factory=dict)
    held_rates: dict[str, float] = field(default_factory=dict)
    # By broker: calls a second by number of publishers, tasks a second by number of workers.
    publisher_rates: dict[str, dict[int, float]] = field(default_factory=dict)
    crowd_rates: dict[str, dict[int, float]] = field(default_factory=dict)
    # By broker: cores that all the workers of a crowd use while there is nothing to do.
    crowd_idle: dict[str, float] = field(default_factory=dict)
    limited_rates: dict[str, float] = field(default_factory=dict)

    def get(self, broker: str, figure: str) -> float | None:
        """Return a figure of a broker, if it was measured."""
        found = self.figures.get(broker)
        value: float | None = None if found is None else getattr(found, figure)
        return value


def format_figures(figures: Mapping[str, Figures]) -> str:
    """Return the brokers side by side."""
    titles = ("publish/s", "kombu/s", "drain/s", "p50 ms", "p99 ms", "idle %")
    lines = [f"{'':<24}" + "".join(f"{title:>11}" for title in titles)]
    for name, found in figures.items():
        idle = None if found.idle is None else 100 * found.idle
        rates = [_format(rate, ",.0f") for rate in (found.publish, found.send, found.drain)]
        rest = [_format(found.p50, ".1f"), _format(found.p99, ".1f"), _format(idle, ".2f")]
        lines.append(f"{name:<24}" + "".join(f"{cell:>11}" for cell in [*rates, *rest]))
    return "\n".join(lines)


def _format(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def format_strains(results: Results) -> str:
    """Return the figures that only the transport has."""
    lines = []
    for name, costs in results.claims.items():
        shown = ", ".join(f"{cost:.3f} ms with {size:,} waiting" for size, cost in costs.items())
        lines.append(f"claim and acknowledge one message, {name}: {shown}")
    for name, steps in results.neighbours.items():
        for step, costs in steps.items():
            shown = ", ".join(
                f"{cost:.2f} ms with {size:,} waiting" for size, cost in costs.items()
            )
            lines.append(f"{step} another queue, {name}: {shown}")
    for name, steps in results.owners.items():
        for step, costs in steps.items():
            shown = ", ".join(f"{cost:.2f} ms with {size:,}" for size, cost in costs.items())
            lines.append(f"{step} by owners that wait, {name}: {shown}")
    if results.worker_rates:
        shown = ", ".join(f"{rate:,.0f}/s by {n}" for n, rate in results.worker_rates.items())
        lines.append(f"drain by several workers, PostgreSQL: {shown}")
    for name, rates in results.publisher_rates.items():
        shown = ", ".join(f"{rate:,.0f}/s by {n}" for n, rate in rates.items())
        lines.append(f"calls by several publishers, {name}: {shown}")
    for name, rates in results.crowd_rates.items():
        shown = ", ".join(f"{rate:,.0f}/s by {n}" for n, rate in rates.items())
        idle = 100 * results.crowd_idle[name]
        lines.append(f"drain by several workers, {name}: {shown}; idle {idle:.1f} % of a core")
    for name, rate in results.limited_rates.items():
        lines.append(f"drain of tasks limited at 100000/s, {name}: {rate:,.0f}/s")
    if results.held_rates:
        shown = ", ".join(f"{rate:,.0f}/s {word}" for word, rate in results.held_rates.items())
        lines.append(f"drain without and with a long transaction, PostgreSQL: {shown}")
    return "\n".join(lines)


def format_targets(results: Results) -> str:
    """Return each target with its ratio and whether it is met."""
    targets = [*_postgresql_targets(results), *_sqlite_targets(results), *_strain_targets(results)]
    return "\n".join(target.describe() for target in targets)


def _postgresql_targets(results: Results) -> list[Target]:
    get, own = results.get, POSTGRESQL
    publish, drain = get(own, "publish"), get(own, "drain")
    return [
        Target("PostgreSQL: publish / RabbitMQ with confirms", publish, get(CONFIRMED, "publish"),
               at_least=1.3),
        Target("PostgreSQL: publish / floor", publish, get(FLOORS[own], "publish"), at_least=0.5),
        Target("PostgreSQL: publish by kombu / floor", get(own, "send"),
               get(FLOORS[own], "publish"), at_least=0.5),
        Target("PostgreSQL: drain / RabbitMQ", drain, get(RABBITMQ, "drain"), at_least=1),
        Target("PostgreSQL: drain / Redis", drain, get(REDIS, "drain"), at_least=1),
        Target("PostgreSQL: p50 / RabbitMQ", get(own, "p50"), get(RABBITMQ, "p50"), at_most=1.3),
        Target("PostgreSQL: p99 / RabbitMQ", get(own, "p99"), get(RABBITMQ, "p99"), at_most=2),
        Target("PostgreSQL: idle worker / 1 % of a core", get(own, "idle"), 0.01, at_most=1),
    ]  # fmt: skip


def _sqlite_targets(results: Results) -> list[Target]:
    get, own = results.get, SQLITE
    return [
        Target("SQLite: publish / RabbitMQ with confirms", get(own, "publish"),
               get(CONFIRMED, "publish"), at_least=0.9),
        Target("SQLite: publish / floor", get(own, "publish"), get(FLOORS[own], "publish"),
               at_least=0.5),
        Target("SQLite: publish by kombu / floor", get(own, "send"),
               get(FLOORS[own], "publish"), at_least=0.5),
        Target("SQLite: drain / Redis", get(own, "drain"), get(REDIS, "drain"), at_least=1.5),
        Target("SQLite: p50 / RabbitMQ", get(own, "p50"), get(RABBITMQ, "p50"), at_most=2),
        Target("SQLite: p99 / RabbitMQ", get(own, "p99"), get(RABBITMQ, "p99"), at_most=2.5),
        Target("SQLite: idle worker / 1.5 % of a core", get(own, "idle"), 0.015, at_most=1),
    ]  # fmt: skip


def _strain_targets(results: Results) -> list[Target]:
    targets = [*_crowd_targets(results)]
    for name, costs in results.claims.items():
        short, long = min(costs), max(costs)
        text = f"{name.partition(', ')[2]}: claim and ack, {long:,} / {short:,} waiting"
        targets.append(Target(text, costs[long], costs[short], at_most=1.3))
    targets += _ratios(results.neighbours, "{step} another queue, {many:,} / {few:,} waiting", 1.3)
    targets += _ratios(results.owners, "{step}, {many:,} owners waiting / {few}", 1.5)
    if results.connections is not None:
        text = "PostgreSQL: connections of an idle worker of one child"
        targets.append(Target(text, results.connections, 1, at_most=2))
    if results.worker_rates:
        few, many = min(results.worker_rates), max(results.worker_rates)
        rates = results.worker_rates
        text = f"PostgreSQL: drain by {many} workers / by {few}"
        targets.append(Target(text, rates[many], rates[few], at_least=1))
    if results.held_rates:
        held, free = results.held_rates["with"], results.held_rates["without"]
        text = "PostgreSQL: drain with a long transaction held / without"
        targets.append(Target(text, held, free, at_least=0.67))
    return targets


def _ratios(
    found: dict[str, dict[str, dict[int, float]]], text: str, at_most: float
) -> list[Target]:
    targets = []
    for name, steps in found.items():
        for step, costs in steps.items():
            few, many = min(costs), max(costs)
            line = text.format(step=step, few=few, many=many)
            label = f"{name.partition(', ')[2]}: {line}"
            targets.append(Target(label, costs[many], costs[few], at_most=at_most))
    return targets


def _crowd_targets(results: Results) -> list[Target]:
    targets = []
    for name, least in ((POSTGRESQL, 3), (SQLITE, 1)):
        if rates := results.publisher_rates.get(name):
            many, one = rates[max(rates)], rates[1]
            text = f"{name.partition(', ')[2]}: {max(rates)} publishers / one"
            targets.append(Target(text, many, one, at_least=least))
        if limited := results.limited_rates.get(name):
            text = f"{name.partition(', ')[2]}: drain limited at 100000/s / unlimited"
            targets.append(Target(text, limited, results.get(name, "drain"), at_least=0.6))
    if SQLITE in results.crowd_idle:
        crowd = max(results.crowd_rates[SQLITE])
        text = f"SQLite: {crowd} idle workers / 10 % of a core"
        targets.append(Target(text, results.crowd_idle[SQLITE], 0.1, at_most=1))
    own, peer = results.crowd_rates.get(POSTGRESQL), results.crowd_rates.get(CONFIRMED)
    if own and peer:
        few, many = min(own), max(own)
        text = f"PostgreSQL: {many} workers / {few}, against RabbitMQ's own"
        targets.append(Target(text, own[many] / own[few], peer[many] / peer[few], at_least=1))
        idle = results.crowd_idle
        text = f"PostgreSQL: {many} idle workers / RabbitMQ's"
        targets.append(Target(text, idle[POSTGRESQL], idle[CONFIRMED], at_most=1.5))
    return targets
