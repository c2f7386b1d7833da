"""A document that the API answers: one content, as JSON for programs and HTML for people."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

# What is the same for everyone may be kept, but is asked for again: a 304 is cheap.
PUBLIC = "public, no-cache"
# Whoever asks for a job's state wants it as it is now.
PRIVATE = "private, no-store"


def never_another() -> Hashable:
    """Tell that a document is made of nothing that changes while this process runs."""
    return True


@dataclass(frozen=True)
class Document:
    """A JSON object with a title for its page.

    Parameters
    ----------
    title : str or lazy text
    body : mapping
        A member ``links`` gets the links to the document itself and to its other form. Texts of
        the site's own in it are lazy: English for programs, in their language for people.
    media_type : str
        Of the JSON.
    status : int
    headers : mapping
    cache_control : str
    written : callable
        Gives members that are JSON already, in bytes.
    shown : callable
        Gives what the page shows in their place.
    others : mapping
        Media types of further forms, by the names that the parameter ``f`` has for them.
    encode : callable, optional
        Gives the content of such a form, by its name.
    picture : callable
        Gives the picture on its page, as HTML.
    is_data : bool
        Whether the names of its members are those of a layer's fields, and no words of the site's.
    snippets : callable
        Gives what else stands on its page, to be copied: texts by their titles.
    question : callable, optional
        Tells by what it is seen that this would be another now; see ``kept.tell_question``.
    """

    title: StrOrPromise
    body: Mapping[str, Any]
    media_type: str = "application/json"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cache_control: str = PUBLIC
    written: Callable[[], Mapping[str, bytes]] = dict
    shown: Callable[[], Mapping[str, Any]] = dict
    others: Mapping[str, str] = field(default_factory=dict)
    encode: Callable[[str], bytes] | None = None
    picture: Callable[[], str] = str
    is_data: bool = False
    snippets: Callable[[], Mapping[str, str]] = dict
    question: Callable[[], Hashable] | None = None


@dataclass(frozen=True)
class Versioned:
    """A document that need not be made where the client has it.

    Parameters
    ----------
    version : str
        Another whenever the same request would be answered with another document.
    media_type : str
        Of the JSON.
    make : callable
        Makes the document; it is public.
    others : mapping
        As the document has them.
    question : callable, optional
        As the document may have one.
    """

    version: str
    media_type: str
    make: Callable[[], Document]
    others: Mapping[str, str] = field(default_factory=dict)
    question: Callable[[], Hashable] | None = None
