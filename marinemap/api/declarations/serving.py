"""Answer a request as its route declares: checked, in the form that is wanted, or not modified."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import csrf_exempt

import marinemap
from marinemap.api.access import check_access, is_signed_in
from marinemap.api.declarations.admission import admitted
from marinemap.api.declarations.documents import PUBLIC, Document, Versioned
from marinemap.api.declarations.negotiation import FORMS, form_of
from marinemap.api.declarations.operation import Parameter, Route
from marinemap.api.declarations.pages import page_of
from marinemap.api.kept import tell_question
from marinemap.api.readers import in_language_of

# Of nginx all headers of an answer are in 4 kB by default.
_MOST_OF_A_HEADER = 2_000
FORM = Parameter(
    "f",
    {"type": "string", "enum": list(FORMS)},
    "The form of the answer; it counts before the header Accept.",
)


def serve(route: Route) -> Callable[..., HttpResponseBase]:
    """Return the view of a route.

    Programs have no form to take a token from: Django's check of form tokens is left out.
    Against other sites' pages stand the cookie's SameSite=Lax and ``refuse_cross_site``.
    """

    def view(request: HttpRequest, **path: str) -> HttpResponseBase:
        operation = route.operation(request.method)
        if request.method == "OPTIONS":
            # What may be asked for here (RFC 9110, 9.3.7); it tells of no data.
            return HttpResponse(
                status=204, headers={"Allow": ", ".join([*route.methods, "OPTIONS"])}
            )
        if operation is None:
            return HttpResponseNotAllowed(route.methods)
        check_access(request, operation.access)
        arguments = operation.read(request, path)
        form = arguments.pop(FORM.argument, None)
        with admitted(request):
            answered = operation.view(request, **arguments)
        return (
            answered if isinstance(answered, HttpResponseBase) else respond(request, answered, form)
        )

    return csrf_exempt(view)


def respond(
    request: HttpRequest, answered: Document | Versioned, form: str | None = None
) -> HttpResponse:
    """Return a document in the form that the client wants; 304 where it has it already."""
    if answered.question is not None:
        tell_question(request, answered.question)
    wanted = form_of(request, form, answered.media_type, answered.others)
    etag = None
    if isinstance(answered, Versioned):
        # A page for people depends on more, such as its template.
        etag = _etag_of(request, answered, wanted) if wanted != "html" else None
        if etag and (known := _not_modified(request, etag)):
            return known
        document = answered.make()
    else:
        document = answered
    body = _with_links(request, document, wanted)
    if wanted == "html":
        content = _page(request, document, body)
        media_type = "text/html; charset=utf-8"
    elif wanted in document.others and document.encode:
        content, kind = document.encode(wanted), document.others[wanted]
        media_type = f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
    else:
        content, media_type = _written(body, document), document.media_type
    response = HttpResponse(content, status=document.status, content_type=media_type)
    for name, value in document.headers.items():
        response.headers[name] = value
    if wanted in document.others:
        response.headers["Link"] = _as_header(body.get("links", []))
    response.headers["Cache-Control"] = _kept_by(request, document.cache_control)
    patch_vary_headers(response, ["Accept"])
    if wanted == "html":
        in_language_of(request, response)
    return _unless_modified(request, response, etag)


def write_json(body: Any) -> bytes:
    """Return JSON as it is sent: without blanks, letters as they are, texts in English."""
    # A list of layers has the same text hundreds of times.
    said: dict[int, str] = {}

    def in_english(value: Any) -> str:
        # No language is active where JSON is written.
        if not isinstance(value, Promise):
            raise TypeError(f"{type(value).__name__} is no JSON")
        if id(value) not in said:
            said[id(value)] = str(value)
        return said[id(value)]

    text = json.dumps(
        body, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=in_english
    )
    return text.encode(errors="surrogatepass")


def _page(request: HttpRequest, document: Document, body: dict[str, Any]) -> bytes:
    with translation.override(request.LANGUAGE_CODE):
        return page_of(request, document, body).encode()


def _as_header(links: list[dict[str, Any]]) -> str:
    """Return links for a form that has no place for them (RFC 8288).

    Each repeats the query, which may be long: the next page comes first, and of the others as
    many as servers in front and clients take.
    """
    found: list[str] = []
    for at in sorted(links, key=lambda at: at["rel"] != "next"):
        text = f'<{at["href"]}>; rel="{at["rel"]}"; type="{at["type"]}"'
        if not found or sum(map(len, found)) + len(text) <= _MOST_OF_A_HEADER:
            found.append(text)
    return ", ".join(found)


def _written(body: dict[str, Any], document: Document) -> bytes:
    parts = [write_json(body)[1:-1]]
    parts += [b'"%s":%s' % (name.encode(), value) for name, value in document.written().items()]
    return b"{" + b",".join(part for part in parts if part) + b"}"


def _with_links(request: HttpRequest, document: Document, wanted: str) -> dict[str, Any]:
    """Return the body with its link to itself first, and one to its other form."""
    body = dict(document.body)
    if "links" not in body or request.method not in ("GET", "HEAD"):
        return body
    kept = [link for link in body["links"] if link["rel"] not in ("self", "alternate")]
    own = {"json": document.media_type, "html": "text/html", **document.others}
    address = _address_of(request)
    links = [
        {
            # Programs get JSON without being told.
            "href": address("" if form == wanted == "json" else form),
            "rel": "self" if form == wanted else "alternate",
            "type": media_type,
            "title": format_lazy(_("As {form}"), form=form.upper()),
        }
        for form, media_type in own.items()
    ]
    return body | {"links": [*sorted(links, key=lambda link: link["rel"] != "self"), *kept]}


def _address_of(request: HttpRequest) -> Callable[[str], str]:
    """Return what gives the address of a request in a form; all else of the query stays."""
    query = request.GET.copy()
    query.pop(FORM.name, None)
    rest = query.urlencode(safe=":/,")
    path = request.build_absolute_uri(request.path)

    def address(form: str) -> str:
        text = "&".join(filter(None, [rest, form and f"{FORM.name}={form}"]))
        return f"{path}?{text}" if text else path

    return address


def _etag_of(request: HttpRequest, answered: Versioned, form: str) -> str:
    # Its links are of the address that it was asked at.
    parts = (marinemap.__version__, request.build_absolute_uri(), answered.version, form)
    return f'"{hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()}"'


def _not_modified(request: HttpRequest, etag: str) -> HttpResponse | None:
    """Return 304 for who has the document, before it is made."""
    # "*" asks whether there is any, which only its making can tell.
    if request.headers.get("If-None-Match", "*").strip() == "*":
        return None
    response = HttpResponse(headers={"ETag": etag, "Cache-Control": _kept_by(request, PUBLIC)})
    patch_vary_headers(response, ["Accept"])
    found = get_conditional_response(request, etag=etag, response=response)
    return found if isinstance(found, HttpResponse) and found.status_code == 304 else None


def _kept_by(request: HttpRequest, cache_control: str) -> str:
    """Return who may keep an answer: what a person is shown may be for them only."""
    is_person = is_signed_in(request)
    return cache_control.replace("public", "private") if is_person else cache_control


def _unless_modified(
    request: HttpRequest, response: HttpResponse, etag: str | None = None
) -> HttpResponse:
    if request.method not in ("GET", "HEAD") or response.status_code != 200:
        return response
    etag = etag or f'"{hashlib.blake2b(response.content, digest_size=16).hexdigest()}"'
    response.headers["ETag"] = etag
    conditional = get_conditional_response(request, etag=etag, response=response)
    assert isinstance(conditional, HttpResponse)
    return conditional
