"""How many streams of events may be open: to a person, to a network address, in all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from marinemap.api.conf import most_streams, most_streams_address, most_streams_person
from marinemap.errors import RequestError, UnavailableError
from marinemap.sentences import say

_INSTEAD = say("Close one, or ask for the status of the job; its Retry-After says when.")


class TooManyStreamsError(RequestError):
    """As many streams are open as one may have."""

    retry_after_seconds = 30


class Opened(Protocol):
    """Whose stream one is, and to which network address."""

    person: str
    address: str


def check_room(opened: Sequence[Opened], person: str, address: str) -> None:
    """Refuse one stream more than may be open.

    Raises
    ------
    TooManyStreamsError
        If the person, or the network address, has as many.
    UnavailableError
        If the site has.
    """
    _check(sum(each.person == person for each in opened), most_streams_person(), say("of yours"))
    at_address = sum(each.address == address for each in opened)
    _check(at_address, most_streams_address(), say("from your network address"))
    if len(opened) >= most_streams():
        raise UnavailableError(
            say(
                "{count:,} streams of events are open, as many as this site keeps",
                count=len(opened),
            ),
            hint=_INSTEAD,
        )


def _check(count: int, most: int, whose: str) -> None:
    if count >= most:
        raise TooManyStreamsError(
            say(
                "{count:,} streams of events {whose} are open, as many as may",
                count=count,
                whose=whose,
            ),
            hint=_INSTEAD,
        )
