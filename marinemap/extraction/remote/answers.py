"""What a server's answer to a range of bytes must say, and what else it may mean."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from http.client import HTTPResponse

from marinemap.errors import DatasetError, MarineMapError, UnavailableError, quote
from marinemap.extraction.remote.address import Mark, Remote
from marinemap.extraction.sources.source_files import SourceChangedError
from marinemap.sentences import Sentence, say

_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")
_GONE = (404, 410)
_REFUSED = (401, 402, 403, 407, 451)
# The file has fewer bytes than it had, or another tag.
_OTHER_STATE = (412, 416)
# Worth another try: the server is busy, or what stands before it is.
PASSING = (408, 425, 429, 500, 502, 503, 504)


def read_mark(remote: Remote, answer: HTTPResponse, first: int, last: int | None) -> Mark:
    """Return the state of the file that an answer is of, having looked that it is what was asked.

    Parameters
    ----------
    remote : Remote
        With the state that is expected, if any.
    answer : HTTPResponse
    first, last : int
        The range that was asked for; ``last`` is None where any end will do.

    Raises
    ------
    SourceChangedError
        If it is of another state.
    DatasetError, UnavailableError
        If it is none that can be used.
    """
    if answer.status != 206:
        raise refusal(remote, answer.status)
    coding = (answer.headers.get("Content-Encoding") or "identity").lower()
    if coding != "identity":
        raise DatasetError(
            say(
                "the server of {name} sends it compressed ({coding}), so that no part of it can be "
                "found",
                name=remote.name,
                coding=quote(coding),
            ),
            field="source",
            hint=say("Turn compression off there for this file."),
        )
    stated = _RANGE.fullmatch((answer.headers.get("Content-Range") or "").strip())
    begin, end, size = (int(part) for part in stated.groups()) if stated else (-1, -1, -1)
    if begin != first or end >= size or (last is not None and end != min(last, size - 1)):
        raise _changed(remote) if _is_shorter(remote, size) else _other_range(remote, answer)
    mark = Mark(_header(answer, "ETag"), _header(answer, "Last-Modified"), size)
    if not mark.tag and not mark.changed:
        raise DatasetError(
            say(
                "the server of {name} tells neither ETag nor Last-Modified, so that nobody can "
                "tell one state of the file from another",
                name=remote.name,
            ),
            field="source",
        )
    if remote.mark is not None and mark != remote.mark:
        raise _changed(remote)
    return mark


def refusal(remote: Remote, status: int) -> MarineMapError:
    """Return what an answer means that is no range of bytes."""
    if status in _OTHER_STATE:
        return _changed(remote)
    if status in _GONE:
        return DatasetError(
            say(
                "there is no file {name} on its server ({status})", name=remote.name, status=status
            ),
            field="source",
        )
    if status in _REFUSED:
        return DatasetError(
            say(
                "the server of {name} does not let this site read it ({status})",
                name=remote.name,
                status=status,
            ),
            field="source",
            hint=say(
                "Look at the password or the signature in MARINEMAP_SOURCE_PREFIXES, and at who "
                "may read the file."
            ),
        )
    if status in PASSING:
        return away(remote, answered(status))
    if status == 200:
        return DatasetError(
            say(
                "the server of {name} sends whole files only, no ranges of bytes", name=remote.name
            ),
            field="source",
            hint=say("Serve it from one that knows the header Range, as object storages do."),
        )
    return DatasetError(
        say("the server of {name} answers {status}", name=remote.name, status=status),
        field="source",
    )


def answered(status: int) -> Sentence:
    """Return what a server does that answers with a status."""
    return say("answers {status}", status=status)


def away(remote: Remote, why: Sentence) -> UnavailableError:
    """Return what to say of a server that does not answer for now."""
    return UnavailableError(
        say("the server of {name} {why}", name=remote.name, why=why),
        field="source",
        hint=say("Try again later."),
    )


def pause_seconds(answer: HTTPResponse, most: float) -> float | None:
    """Return how long the server asks to be left alone; None where it says nothing."""
    text = (answer.headers.get("Retry-After") or "").strip()
    if text.isdigit() and len(text) < 9:
        return min(float(text), most)
    try:
        at = parsedate_to_datetime(text) if text else None
        now = parsedate_to_datetime(answer.headers.get("Date") or "") if at else None
    except ValueError:
        return None
    return None if at is None or now is None else min(max(0.0, (at - now).total_seconds()), most)


def _is_shorter(remote: Remote, size: int) -> bool:
    return remote.mark is not None and size not in (-1, remote.mark.size)


def _changed(remote: Remote) -> SourceChangedError:
    return SourceChangedError(
        say("{name} was changed on its server while it was read", name=remote.name),
        field="source",
        hint=say("Ask again; the new data will be used."),
    )


def _other_range(remote: Remote, answer: HTTPResponse) -> DatasetError:
    return DatasetError(
        say(
            "the server of {name} answers another range of bytes than was asked for: '{range}'",
            name=remote.name,
            range=quote(_header(answer, "Content-Range") or "none"),
        ),
        field="source",
    )


def _header(answer: HTTPResponse, name: str) -> str:
    return (answer.headers.get(name) or "").strip()
