"""Small plots of a day, drawn on the server: no script, and a text that says the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from marinemap.console.figures import Hour

_WIDTH, _GAP, _HEIGHT = 10, 2, 40


@dataclass(frozen=True)
class Bar:
    """A bar in units of the plot, y downwards; ``kind`` is its class, ``title`` what it tells."""

    x: int
    y: float
    width: int
    height: float
    kind: str
    title: str


@dataclass(frozen=True)
class Plot:
    """Bars of one day in a box of ``width`` by ``height``; ``most`` is what the highest shows."""

    width: int
    height: int
    most: int
    bars: Sequence[Bar]


def plot_jobs(hours: Sequence[Hour]) -> Plot:
    """Return a day's jobs: those that failed stand upon those that were successful."""
    most = max((hour.successful + hour.failed for hour in hours), default=0)
    bars = []
    for place, hour in enumerate(hours):
        when = f"{hour.begins_at:%H}:00 UTC"
        good, bad = _scaled(hour.successful, most), _scaled(hour.failed, most)
        title = f"{when}: {hour.successful:,} successful, {hour.failed:,} failed"
        bars += [
            _bar(place, _HEIGHT - good, good, "successful", title),
            _bar(place, _HEIGHT - good - bad, bad, "failed", title),
        ]
    return _plot(hours, most, bars)


def plot_bytes(hours: Sequence[Hour]) -> Plot:
    """Return a day's bytes of archives."""
    most = max((hour.written_bytes for hour in hours), default=0)
    bars = []
    for place, hour in enumerate(hours):
        height = _scaled(hour.written_bytes, most)
        title = f"{hour.begins_at:%H}:00 UTC: {hour.written_bytes / 1e6:,.1f} MB"
        bars.append(_bar(place, _HEIGHT - height, height, "bytes", title))
    return _plot(hours, most, bars)


def _plot(hours: Sequence[Hour], most: int, bars: Sequence[Bar]) -> Plot:
    return Plot(len(hours) * (_WIDTH + _GAP), _HEIGHT, most, [bar for bar in bars if bar.height])


def _bar(place: int, y: float, height: float, kind: str, title: str) -> Bar:
    return Bar(place * (_WIDTH + _GAP), round(y, 1), _WIDTH, round(height, 1), kind, title)


def _scaled(count: int, most: int) -> float:
    # What is there is seen, however much more there is of another hour.
    return max(1.0, _HEIGHT * count / most) if count else 0.0
