"""Inputs written as JSON a piece at a time, between which other threads run.

Python's writer lets no other thread run until it is done, and half a million corners take it a
quarter of a second: so long no request is answered, and no sign of life given.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from marinemap.processes.apart import is_small

_ITEMS_AT_ONCE = 500
_MOST_NUMBERS = 4 * _ITEMS_AT_ONCE
_NUMBERS = {int, float, bool, type(None)}


class PiecewiseEncoder(json.JSONEncoder):
    """Write what :class:`json.JSONEncoder` writes, to the letter, without holding up others.

    >>> json.dumps({"a": [1, 2.5], "b": "é"}, cls=PiecewiseEncoder)
    '{"a": [1, 2.5], "b": "\\\\u00e9"}'
    """

    def encode(self, o: Any) -> str:
        """Return a value as JSON."""
        return "".join(self._pieces(o)) if self.indent is None else super().encode(o)

    def _pieces(self, value: Any) -> Iterator[str]:
        if is_small(value):
            yield super().encode(value)
        elif isinstance(value, list):
            yield from self._items(value)
        elif isinstance(value, dict) and all(isinstance(name, str) for name in value):
            yield from self._members(value)
        else:
            yield super().encode(value)

    def _items(self, values: list[Any]) -> Iterator[str]:
        before = "["
        for start in range(0, len(values), _ITEMS_AT_ONCE):
            some = values[start : start + _ITEMS_AT_ONCE]
            is_written_whole = _are_positions(some) or is_small(some)
            for part in (
                [super().encode(some)[1:-1]] if is_written_whole else map(self.encode, some)
            ):
                yield before + part
                before = self.item_separator
        yield "]"

    def _members(self, values: Mapping[str, Any]) -> Iterator[str]:
        before = "{"
        for name in sorted(values) if self.sort_keys else values:
            yield before + super().encode(name) + self.key_separator
            yield from self._pieces(values[name])
            before = self.item_separator
        yield "}"


def _are_positions(values: list[Any]) -> bool:
    """Tell whether values are as most of an area is: short lists of numbers."""
    return (
        set(map(type, values)) == {list}
        and sum(map(len, values)) <= _MOST_NUMBERS
        and set(map(type, chain.from_iterable(values))) <= _NUMBERS
    )
