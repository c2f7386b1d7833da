"""Which form of a document a client wants: JSON unless it says otherwise (RFC 9110, 12.5.1)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from django.http import HttpRequest

from marinemap.errors import RequestError
from marinemap.sentences import say

FORMS = ("json", "html")
_HTML = ("text/html", "application/xhtml+xml")


class NotAcceptableError(RequestError):
    """The client takes none of the forms that there are."""


def form_of(
    request: HttpRequest, asked: str | None, media_type: str, others: Mapping[str, str]
) -> str:
    """Return ``json``, ``html``, or the name of another form.

    Parameters
    ----------
    request : HttpRequest
    asked : str or None
        The parameter ``f``, which counts before the header.
    media_type : str
        Of the JSON form.
    others : mapping
        Media types of other forms, by their names.

    Raises
    ------
    NotAcceptableError
        If the header ``Accept`` leaves none.
    """
    if asked:
        return asked
    header = request.headers.get("Accept", "")
    if not header.strip():
        return "json"
    forms: dict[str, tuple[str, ...]] = {"json": (media_type, "application/json"), "html": _HTML}
    forms |= {name: (kind,) for name, kind in others.items()}
    wanted = {name: max(_quality(header, kind) for kind in kinds) for name, kinds in forms.items()}
    # Of forms that are wanted alike the first.
    best = max(wanted, key=lambda name: wanted[name])
    if wanted[best] == 0:
        listed = ", ".join([media_type, _HTML[0], *others.values()])
        raise NotAcceptableError(
            say(
                "this is answered as {listed}; the header Accept takes none of them", listed=listed
            ),
            field="Accept",
            value=header,
            hint=say("Send Accept: application/json, or the parameter f=json."),
        )
    return best


def wants_page(request: HttpRequest) -> bool:
    """Tell whether a person reads the answer: a page is wanted more than JSON."""
    header = request.headers.get("Accept", "")
    return max(_quality(header, kind) for kind in _HTML) > _quality(header, "application/json")


def takes(request: HttpRequest, media_type: str) -> bool:
    """Tell whether a client takes an answer of a media type."""
    header = request.headers.get("Accept", "")
    return not header.strip() or _quality(header, media_type) > 0


# Most clients send one of a few; a header has up to 32 kB.
@lru_cache(maxsize=64)
def _quality(header: str, media_type: str) -> float:
    """Return how much a client wants a media type: the most special range that fits decides."""
    plain = media_type.partition(";")[0]
    best, rank = 0.0, -1
    for item in header.split(","):
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        specific = {plain: 2, f"{plain.partition('/')[0]}/*": 1, "*/*": 0}.get(name, -1)
        if specific > rank:
            best, rank = _weight(parameters), specific
    return best


def _weight(parameters: list[str]) -> float:
    text = next((part[2:] for part in parameters if part.startswith("q=")), "1")
    try:
        return float(text)
    except ValueError:
        return 0.0
