"""Inputs by reference (OGC 18-062r2, requirement process-execute-inputs): fetched, once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any

from marinemap.api.bodies import read_json
from marinemap.api.conf import max_body_bytes
from marinemap.errors import RequestError, UnavailableError, quote
from marinemap.jobs.egress import NotOnInternetError, check_uri, fetch
from marinemap.processes.values import unknown
from marinemap.sentences import say

logger = logging.getLogger(__name__)

# Members of a link (link.yaml).
_LINK = frozenset({"href", "rel", "type", "hreflang", "title"})
_MOST_REFERENCES = 4
# Threads of the web server that may wait for others' servers.
_AT_A_TIME = 2
_fetching = threading.Semaphore(_AT_A_TIME)


def resolved(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return inputs in which what was given by a link is what the link leads to.

    Raises
    ------
    RequestError
        If there are too many, or one may not be called, or does not answer with what fits.
    UnavailableError
        If others are being fetched just now.
    """
    links = {name: value["href"] for name, value in inputs.items() if is_link(name, value)}
    if len(links) > _MOST_REFERENCES:
        raise RequestError(
            say(
                "{count} inputs are links; at most {most} are followed",
                count=len(links),
                most=_MOST_REFERENCES,
            ),
            field="inputs",
        )
    found = {name: _fetched(name, href, inputs[name].get("type")) for name, href in links.items()}
    return {**inputs, **found}


def is_link(name: str, value: Any) -> bool:
    """Tell whether an input is a link to its value.

    Raises
    ------
    RequestError
        If it is one with a member that no link has.
    """
    if not isinstance(value, Mapping) or "href" not in value:
        return False
    for member in value:
        if member not in _LINK:
            raise unknown(member, sorted(_LINK), say("a link has no"), f"{name}.{quote(member)}")
    return True


def _fetched(name: str, href: Any, type_: Any) -> Any:
    uri = check_uri(href, f"{name}.href")
    if not _fetching.acquire(blocking=False):
        raise UnavailableError(
            say("many links are being followed just now"), hint=say("Try again in a few seconds.")
        )
    try:
        return _read(fetch(uri, max_body_bytes()), type_, f"{name}.href")
    except NotOnInternetError as error:
        # What a name leads to in this network is its own business.
        logger.info("Not called: %s", error)
        raise RequestError(
            say("the link cannot be followed: no host on the Internet is known by its name"),
            field=f"{name}.href",
            value=uri,
        ) from error
    except (OSError, ValueError) as error:
        raise RequestError(
            # An error of the system's begins with its number.
            say(
                "the link cannot be followed: {error}",
                error=getattr(error, "strerror", "") or error,
            ),
            field=f"{name}.href",
            value=uri,
        ) from error
    finally:
        _fetching.release()


def _read(content: bytes, type_: Any, field: str) -> Any:
    """Return the value: a text where its type says so, JSON else."""
    is_text = isinstance(type_, str) and "json" not in type_
    text = content.decode()
    return text if is_text else read_json(text, field)
