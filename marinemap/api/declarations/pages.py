"""The HTML form of a document: all that its JSON holds, every link a link, without a script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from marinemap.api.declarations.documents import Document

# Of a list of numbers or of deep coordinates a person reads the beginning.
_MOST_PLAIN = 200


def page_of(request: HttpRequest, document: Document, body: Mapping[str, Any]) -> str:
    """Return the page of a document, whose body has its links."""
    rest = {name: value for name, value in body.items() if name not in ("title", "links")}
    return render_to_string(
        "api/document.html",
        {
            "title": document.title,
            "picture": document.picture(),
            "snippets": document.snippets(),
            "root": reverse("api:landing"),
            "description": rest.pop("description", ""),
            "content": as_html(rest),
            "links": body.get("links", []),
        },
        request,
    )


def as_html(value: Any) -> SafeString:
    """Return a JSON value as HTML: objects as lists of terms, lists of objects as tables."""
    if isinstance(value, Mapping):
        return _terms(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _listed(value)
    if isinstance(value, str) and value.startswith(("http://", "https://")):
        return format_html('<a href="{}">{}</a>', value, value)
    words = {True: "yes", False: "no", None: "–"}
    return format_html("{}", words[value] if isinstance(value, bool | None) else value)


def _terms(value: Mapping[str, Any]) -> SafeString:
    if "href" in value:
        return format_html(
            '<a href="{}" rel="{}" type="{}">{}</a>',
            value["href"],
            value.get("rel", ""),
            value.get("type", ""),
            value.get("title") or value.get("rel") or value["href"],
        )
    rows = ((name, as_html(each)) for name, each in value.items())
    return format_html("<dl>{}</dl>", format_html_join("", "<dt>{}</dt><dd>{}</dd>", rows))


def _listed(value: Sequence[Any]) -> SafeString:
    if not value:
        return mark_safe("none")
    if all(isinstance(each, Mapping) and "href" not in each for each in value):
        return _table(value)
    if all(isinstance(each, int | float | str) for each in value):
        text = ", ".join(str(each) for each in value)
        if not any(str(each).startswith("http") for each in value):
            return format_html("<span class=plain>{}</span>", text)
    items = ((as_html(each),) for each in value[:_MOST_PLAIN])
    return format_html("<ul>{}</ul>", format_html_join("", "<li>{}</li>", items))


def _table(rows: Sequence[Mapping[str, Any]]) -> SafeString:
    names = list(dict.fromkeys(name for row in rows for name in row))
    head = format_html_join("", "<th scope=col>{}</th>", ((name,) for name in names))
    lines = (
        (
            format_html_join(
                "", "<td>{}</td>", ((as_html(row[name]) if name in row else "",) for name in names)
            ),
        )
        for row in rows
    )
    return format_html(
        '<div class="wide"><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>',
        head,
        format_html_join("", "<tr>{}</tr>", lines),
    )
