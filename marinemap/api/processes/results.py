"""Answer outputs as they were asked for (OGC 18-062r2, section 7.11.4 and 7.13)."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy as _

from marinemap.api.declarations import Document
from marinemap.api.declarations.documents import PRIVATE
from marinemap.api.declarations.negotiation import form_of, takes
from marinemap.api.declarations.operation import HTML, JSON
from marinemap.api.declarations.serving import respond
from marinemap.processes.process import Process

# Where an output of a job is fetched alone; None where there is no job.
Address = Callable[[str], str]


def answer_outputs(
    request: HttpRequest,
    process: Process,
    outputs: Mapping[str, Any],
    wanted: Mapping[str, Any],
    address: Address | None = None,
) -> HttpResponseBase:
    """Return the answer with the outputs of a run that are JSON values.

    Parameters
    ----------
    request : HttpRequest
    process : Process
    outputs : mapping
        By their ids.
    wanted : mapping
        As ``ExecuteRequest.wanted`` has it.
    address : callable, optional
        Gives the address of an output, for those that go by reference.
    """
    modes = wanted.get("outputs") or dict.fromkeys(outputs, "value")
    chosen = {name: outputs[name] for name in modes if name in outputs}
    links = {
        name: {"href": address(name), "type": _encoded(process, name, value)[0].partition(";")[0]}
        for name, value in chosen.items()
        if address and modes[name] == "reference"
    }
    if wanted.get("response") == "document":
        return _document(request, chosen | links)
    if len(links) == len(chosen):
        return _by_reference(links)
    if len(chosen) == 1:
        ((name, value),) = chosen.items()
        media_type, content = _encoded(process, name, value)
        return _fresh(HttpResponse(content, content_type=media_type))
    return _multipart(process, chosen, links)


def answer_one(process: Process, name: str, value: Any) -> HttpResponse:
    """Return one output by itself."""
    media_type, content = _encoded(process, name, value)
    return _fresh(HttpResponse(content, content_type=media_type))


def link_to_file(
    request: HttpRequest, process: Process, wanted: Mapping[str, Any], address: Address
) -> HttpResponse:
    """Return the answer that leads to a file: a document, or a header alone."""
    (name,) = process.outputs
    links = {name: {"href": address(name), "type": process.media_type_of(name)}}
    if wanted.get("response") == "document":
        return _document(request, links)
    return _by_reference(links)


def wants_link(wanted: Mapping[str, Any]) -> bool:
    """Tell whether a file is to be answered by a link to it."""
    modes = wanted.get("outputs") or {}
    return wanted.get("response") == "document" or "reference" in modes.values()


def _document(request: HttpRequest, body: Mapping[str, Any]) -> HttpResponse:
    if takes(request, HTML) and form_of(request, None, JSON, {}) == "html":
        document = Document(_("Results"), body, cache_control=PRIVATE, is_data=True)
        return respond(request, document, "html")
    return _fresh(HttpResponse(json.dumps(body, ensure_ascii=False), content_type=JSON))


def _by_reference(links: Mapping[str, Mapping[str, str]]) -> HttpResponse:
    headers = ", ".join(
        f'<{link["href"]}>; rel="http://www.opengis.net/def/rel/ogc/1.0/results"; '
        f'type="{link["type"]}"; title="{name}"'
        for name, link in links.items()
    )
    response = HttpResponse(status=204, headers={"Link": headers} if headers else {})
    # Django gives each answer one, and here there is nothing of any type.
    del response.headers["Content-Type"]
    return _fresh(response)


def _multipart(
    process: Process, chosen: Mapping[str, Any], links: Mapping[str, Mapping[str, str]]
) -> HttpResponse:
    """Return a part for each output (RFC 2387), empty for those that go by reference."""
    boundary = secrets.token_hex(16)
    parts = []
    for name, value in chosen.items():
        media_type, content = _encoded(process, name, value)
        head = f"--{boundary}\r\nContent-Type: {media_type}\r\nContent-ID: {name}\r\n"
        if name in links:
            head, content = f"{head}Content-Location: {links[name]['href']}\r\n", b""
        parts.append(head.encode() + b"\r\n" + content + b"\r\n")
    body = b"".join([*parts, f"--{boundary}--\r\n".encode()])
    return _fresh(HttpResponse(body, content_type=f"multipart/related; boundary={boundary}"))


def _encoded(process: Process, name: str, value: Any) -> tuple[str, bytes]:
    """Return the media type of an output and its bytes: texts are texts, all else is JSON."""
    media_type = process.media_type_of(name)
    if isinstance(value, str):
        kind = "text/plain" if media_type == JSON else media_type
        return f"{kind}; charset=utf-8", value.encode()
    return JSON, json.dumps(value, ensure_ascii=False).encode()


def _fresh(response: HttpResponse) -> HttpResponse:
    response.headers["Cache-Control"] = "private, no-store"
    return response
