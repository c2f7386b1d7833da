"""Answers that are given again while what they were made of is the same.

A map asks for the layers each time it is opened, a program for its job each second, and mostly
nothing has changed. To answer that through the framework takes ten times as long as to look.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.http import parse_etags

from marinemap.logs import request_id

# Answers the same while the document that goes with it would be the same; cheap to ask.
Question = Callable[[], Hashable]
Environ = dict[str, Any]
Application = Callable[..., Iterable[bytes]]
Headers = list[tuple[str, str]]

_MEMBER = "marinemap.question"
# Of all that is kept, and of one answer.
_MOST_BYTES, _LARGEST_BYTES = 32 << 20, 1 << 20
# About what an entry takes besides its texts.
_OVERHEAD_BYTES = 2_000
# What speaks of the content that a 304 has not (RFC 9110, 15.4.5).
_OF_CONTENT = ("content-type", "content-length", "content-encoding", "content-language") + (
    "content-crs",
    "link",
)
# In which requests for the same may differ.
_OF_ONE_REQUEST = ("HTTP_IF_NONE_MATCH", "HTTP_X_REQUEST_ID")
_WHERE = ("PATH_INFO", "QUERY_STRING", "REMOTE_ADDR", "wsgi.url_scheme")


def tell_question(request: HttpRequest, question: Question) -> None:
    """Tell by what it would be seen that the answer to a request is another now.

    Parameters
    ----------
    request : HttpRequest
    question : callable
        Asked by other threads later; what it answers is compared. None where nobody can tell.
    """
    request.META[_MEMBER] = question


@dataclass(frozen=True)
class _Answer:
    """A whole answer, and what its question was answered just before it was made.

    Of one that is not kept yet only the question is known.
    """

    question: Question
    told: Hashable = None
    status: str = ""
    headers: Headers = field(default_factory=list)
    body: bytes = b""

    @property
    def is_kept(self) -> bool:
        return bool(self.status)

    @property
    def size(self) -> int:
        return len(self.body) + _OVERHEAD_BYTES


class KeptAnswers:
    """A WSGI application that gives the same client the same answer again, where it still holds.

    A request that differs in any header is asked anew, and so is what a person asks who has
    signed in or shows a token: both may end without a trace in what the answer was made of. The
    second request is the first to be kept: its question is asked before it is answered, so that
    what changes in between is noticed.
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._shelf = _Shelf()

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer, anew only where something has changed."""
        if environ["REQUEST_METHOD"] != "GET" or _is_personal(environ):
            return self._application(environ, start_response)
        name = _name_of(environ)
        known = self._shelf.find(name)
        told = _ask(known.question) if known else None
        if known is None or told is None:
            content = self._application(environ, start_response)
            if question := environ.get(_MEMBER):
                self._shelf.put(name, _Answer(question))
            return content
        if known.is_kept and known.told == told:
            known = replace(known, headers=_with_own_id(known.headers, environ))
        else:
            known = self._make(name, environ, told)
        return _send(known, environ, start_response)

    def _make(self, name: str, environ: Environ, told: Hashable) -> _Answer:
        """Return the answer made anew and whole; it is kept, if it may be."""
        whole = {at: value for at, value in environ.items() if at != "HTTP_IF_NONE_MATCH"}
        started: list[tuple[str, Headers]] = []
        content = self._application(whole, lambda *given: started.append(given[:2]))
        try:
            body = b"".join(content)
        finally:
            if hasattr(content, "close"):
                content.close()
        ((status, headers),) = started
        question = whole.get(_MEMBER)
        made = _Answer(question or _nothing, told, status, headers, body)
        if question and _may_be_kept(made):
            self._shelf.put(name, made)
        else:
            self._shelf.remove(name)
        return made


class _Shelf:
    """Answers by the names of their requests; those asked for last, within bounds of memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: OrderedDict[str, _Answer] = OrderedDict()
        self._bytes = 0

    def find(self, name: str) -> _Answer | None:
        with self._lock:
            if name in self._answers:
                self._answers.move_to_end(name)
            return self._answers.get(name)

    def put(self, name: str, answer: _Answer) -> None:
        with self._lock:
            self._take_off(name)
            self._answers[name] = answer
            self._bytes += answer.size
            while self._bytes > _MOST_BYTES:
                self._take_off(next(iter(self._answers)))

    def remove(self, name: str) -> None:
        with self._lock:
            self._take_off(name)

    def _take_off(self, name: str) -> None:
        if name in self._answers:
            self._bytes -= self._answers.pop(name).size


def _name_of(environ: Environ) -> str:
    """Return the same for requests that are the same in all but the version they have."""
    parts = [str(environ.get(name)) for name in _WHERE]
    parts += sorted(
        f"{name}={value}"
        for name, value in environ.items()
        if name.startswith("HTTP_") and name not in _OF_ONE_REQUEST
    )
    # A digest, for headers may be long; what no header can hold stands between them.
    text = "\0".join(parts).encode(errors="surrogateescape")
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def _is_personal(environ: Environ) -> bool:
    cookies = environ.get("HTTP_COOKIE", "")
    return "HTTP_AUTHORIZATION" in environ or settings.SESSION_COOKIE_NAME in cookies


def _ask(question: Question) -> Hashable:
    try:
        return question()
    except Exception:
        # The application says what is amiss, such as a database that is away.
        return None


def _nothing() -> Hashable:
    return None


def _may_be_kept(made: _Answer) -> bool:
    is_for_one = any(name.lower() == "set-cookie" for name, _ in made.headers)
    return made.status.startswith("200") and not is_for_one and made.size <= _LARGEST_BYTES


def _with_own_id(headers: Headers, environ: Environ) -> Headers:
    """Return headers with the id of this request, not of the one they were made for."""
    others = [each for each in headers if each[0].lower() != request_id.HEADER.lower()]
    own = request_id.take_or_make(environ.get("HTTP_X_REQUEST_ID"))
    return [*others, (request_id.HEADER, own)]


def _send(answer: _Answer, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    if answer.status.startswith("200") and _has_it(environ, answer.headers):
        about = [each for each in answer.headers if each[0].lower() not in _OF_CONTENT]
        start_response("304 Not Modified", about)
        return []
    start_response(answer.status, list(answer.headers))
    return [answer.body]


def _has_it(environ: Environ, headers: Headers) -> bool:
    """Tell whether a client has the very answer (RFC 9110, 13.1.2)."""
    condition = environ.get("HTTP_IF_NONE_MATCH")
    etag = next((value for name, value in headers if name.lower() == "etag"), None)
    if condition is None or etag is None:
        return False
    known = [each.removeprefix("W/") for each in parse_etags(condition)]
    return "*" in known or etag.removeprefix("W/") in known
