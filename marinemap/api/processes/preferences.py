"""What a client prefers of an execution: the header ``Prefer`` (RFC 7240)."""

from __future__ import annotations

from dataclasses import dataclass

from marinemap.errors import RequestError, did_you_mean
from marinemap.processes.values import unknown
from marinemap.sentences import say

# Those that are acted on, and the values that they take; None: any number of seconds.
_KNOWN: dict[str, tuple[str, ...] | None] = {
    "respond-async": (),
    "respond-sync": (),
    "wait": None,
    "return": ("minimal", "representation"),
    "handling": ("strict", "lenient"),
}


@dataclass(frozen=True)
class Preferences:
    """What the header asks: ``is_async`` is None where it does not say; ``wait`` in seconds."""

    is_async: bool | None = None
    wait: int | None = None


def read_preferences(header: str) -> Preferences:
    """Return what a header ``Prefer`` asks of an execution.

    A preference of another purpose is passed by, as the RFC has it; one that is nearly ours is
    a slip, and is refused.

    Raises
    ------
    RequestError
        Naming the preference, and what is allowed.
    """
    found: dict[str, str] = {}
    for item in header.split(","):
        name, _, value = item.partition(";")[0].partition("=")
        _take(found, name.strip().lower(), value.strip().strip('"'))
    if {"respond-async", "respond-sync"} <= set(found):
        raise RequestError(
            say("respond-async and respond-sync exclude one another"), field="Prefer", value=header
        )
    chosen = {"respond-async": True, "respond-sync": False}
    is_async = next((chosen[name] for name in chosen if name in found), None)
    return Preferences(is_async, int(found["wait"]) if "wait" in found else None)


def is_fresh(header: str) -> bool:
    """Tell whether a header ``Cache-Control`` asks for a run, whatever results there are.

    RFC 9111, section 5.2.1; directives of another purpose are passed by.
    """
    asked = {each.strip().lower() for each in header.split(",")}
    return not asked.isdisjoint({"no-cache", "no-store", "max-age=0"})


def _take(found: dict[str, str], name: str, value: str) -> None:
    if name not in _KNOWN:
        if did_you_mean(name, _KNOWN):
            raise unknown(name, _KNOWN, say("there is no preference"), "Prefer")
        return
    allowed = _KNOWN[name]
    if allowed is None:
        if not (value.isascii() and value.isdigit()) or len(value) > 9:
            raise RequestError(
                say("{name} takes a whole number of seconds", name=name),
                field="Prefer",
                value=value,
            )
    elif allowed and value.lower() not in allowed:
        raise unknown(value, allowed, say("{name} takes no", name=name), "Prefer")
    # Of one that is given twice the first counts (RFC 7240, section 2).
    found.setdefault(name, value)
