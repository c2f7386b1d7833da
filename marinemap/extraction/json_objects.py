"""JSON that a stranger wrote: each member stands once, and nothing is nested without end.

Python takes the last of two and says nothing, another reader the first (RFC 8259, section 4): what
one of them checked is not what the other did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from marinemap.errors import RequestError, quote
from marinemap.sentences import say


def each_once(field: str | None = None) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    """Return what ``json.loads`` takes as ``object_pairs_hook``.

    It raises a :class:`RequestError` where a member stands twice in one object: of ``field``, or
    of the member itself.
    """

    def made(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise _twice([name for name, _ in pairs], field)
        return found

    return made


def is_deeper(value: Any, most: int) -> bool:
    """Tell whether lists and objects are nested deeper than ``most``; it does not call itself."""
    level = [value] if isinstance(value, list | dict) else []
    for _ in range(most):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, list | dict)
        ]
    return bool(level)


def _twice(names: list[str], field: str | None) -> RequestError:
    ((found, _),) = Counter(names).most_common(1)
    name = quote(found)
    message = say("the member '{name}' stands twice in one object; give it once", name=name)
    return RequestError(message, field=field or name, value=name)
