"""Ratios that a benchmark holds its figures against."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """A ratio that must be at least, or at most, a number."""

    text: str
    value: float | None
    peer: float | None
    at_least: float | None = None
    at_most: float | None = None

    def describe(self) -> str:
        """Return a line that says how it came out."""
        if self.value is None or not self.peer:
            return f"  {self.text:<64} not measured"
        ratio = self.value / self.peer
        is_met = ratio >= self.at_least if self.at_least else ratio <= (self.at_most or 0)
        bound = f">= {self.at_least:g}" if self.at_least else f"<= {self.at_most:g}"
        return f"  {self.text:<64} {ratio:7.2f}  {bound:<8} {'met' if is_met else 'MISSED'}"
