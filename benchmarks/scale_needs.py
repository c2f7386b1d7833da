"""What so many requests an hour need, by the model: workers and cores, bytes, money.

The kinds of requests and the prices are assumptions, to be replaced by one's own; what each kind
takes was measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from benchmarks.scale_model import Demand, Simulation, random_orders

RATES = (10, 1_000, 100_000)
_WORKERS = (1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 32, 40, 48, 64, 96)
# So many requests are simulated, ...
_ORDERS = 6_000
# ... of which so many may take this much longer than they would alone.
_LATE_SHARE, _LATE_SECONDS = 0.05, 10.0
_HOURS_A_MONTH = 730
_KEPT_DAYS = 1.0


@dataclass(frozen=True)
class Kind:
    """A kind of request: its share of all, what it takes, how large its archive is."""

    name: str
    share: float
    demand: Demand
    megabytes: float


# Of a layer of a million polygons: 25 features, 77,000, 366,000.
KINDS = (
    Kind("small", 0.70, Demand(computing=0.07, waiting=0.1), 0.02),
    Kind("medium", 0.25, Demand(computing=1.0, waiting=0.1, width=1.5), 25.0),
    Kind("large", 0.05, Demand(computing=7.0, waiting=0.1, width=1.5), 121.0),
)


@dataclass(frozen=True)
class Prices:
    """Dollars a month, in the order of public price lists of 2025."""

    core: float = 25.0
    stored_gigabyte: float = 0.023
    sent_gigabyte: float = 0.05


@dataclass(frozen=True)
class Needs:
    """What a rate of requests needs."""

    per_hour: int
    workers: int
    busy_cores: float
    stored_gigabytes: float
    sent_gigabytes_a_month: float

    def dollars(self, prices: Prices) -> tuple[float, float, float]:
        """Return what cores, disks and lines cost a month.

        For four workers web server and database have a core each.
        """
        cores = self.workers + 2 * ceil(self.workers / 4)
        stored = self.stored_gigabytes * prices.stored_gigabyte
        return cores * prices.core, stored, self.sent_gigabytes_a_month * prices.sent_gigabyte


def find_needs() -> Iterator[Needs]:
    """Yield what each rate needs."""
    megabytes = sum(kind.share * kind.megabytes for kind in KINDS)
    computing = sum(kind.share * kind.demand.computing for kind in KINDS)
    for per_hour in RATES:
        yield Needs(
            per_hour,
            _find_workers(per_hour),
            per_hour / 3600 * computing,
            per_hour * 24 * _KEPT_DAYS * megabytes / 1000,
            per_hour * _HOURS_A_MONTH * megabytes / 1000,
        )


def _find_workers(per_hour: int) -> int:
    """Return the fewest workers, a core each, by which few requests are late."""
    mix = [(kind.share, kind.demand) for kind in KINDS]
    orders = random_orders(mix, per_hour, _ORDERS / per_hour * 3600)
    for workers in _WORKERS:
        ends = Simulation(orders, workers, cores=workers).run()
        late = sum(
            end - order.comes_at > order.demand.computing + _LATE_SECONDS
            for order, end in zip(orders, ends, strict=True)
        )
        if late <= _LATE_SHARE * len(orders):
            return workers
    raise ValueError(f"{per_hour:,} an hour need more than {_WORKERS[-1]} workers")
