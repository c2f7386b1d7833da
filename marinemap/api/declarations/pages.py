"""The HTML form of a document: all that its JSON holds, every link a link, without a script.

Names and words of the site's own are in the language that is active; what a layer's data hold is
shown as it is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import get_script_prefix, reverse
from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from marinemap.api.conf import base_layer
from marinemap.api.declarations.documents import Document
from marinemap.api.declarations.labels import IN_ENGLISH, LABELS, MOMENTS, OF_OTHERS, WORDS
from marinemap.api.links import GEOJSON, ToFeature
from marinemap.api.times import in_words
from marinemap.extraction.tiles import MEDIA_TYPE as DRAWING

# A table of more rows takes seconds to write, and nobody reads it: the next page goes on.
MOST_ON_A_PAGE = 100
# What the map page is built with.
_SCRIPT, _STYLE = "marinemap/pagemap.js", "marinemap/pagemap.css"
# Of a list of numbers or of deep coordinates a person reads the beginning.
_MOST_PLAIN = 200


def page_of(request: HttpRequest, document: Document, body: Mapping[str, Any]) -> str:
    """Return the page of a document, whose body has its links."""
    rest = {name: value for name, value in body.items() if name not in ("title", "links")}
    description = rest.pop("description", "")
    return render_to_string(
        "api/document.html",
        {
            "title": document.title,
            "picture": document.picture(),
            "map": _map_of(request, document, body),
            "land": reverse("api:collection", args=[base_layer()]),
            "snippets": document.snippets(),
            "root": reverse("api:landing"),
            "map_page": _map_page(),
            "description": description,
            "extent": _extent(body),
            # What a layer calls its fields is no member of the document, whatever the name.
            "content": as_html(rest | dict(document.shown()), is_data=document.is_data),
            "links": body.get("links", []),
        },
        request,
    )


def _map_of(request: HttpRequest, document: Document, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the map on a page is made of; nothing where there is none.

    The features of the page, or the drawing of the layer that it describes. Without a script, and
    where the map page was not built, the picture stands for it.
    """
    drawings = (link["href"] for link in body.get("links", []) if link.get("type") == DRAWING)
    made_of = {
        "features": _features(request) if document.media_type == GEOJSON else "",
        "drawing": next(drawings, ""),
    }
    # Of a site that serves no page there is no script.
    with contextlib.suppress(ValueError):
        if any(made_of.values()):
            return {**made_of, "script": static(_SCRIPT), "style": static(_STYLE)}
    return {}


def _map_page() -> str:
    """Return where the map page is; nothing where the site serves none."""
    with contextlib.suppress(ValueError):
        static(_SCRIPT)
        return get_script_prefix()
    return ""


def _extent(body: Mapping[str, Any]) -> str:
    bounds = body.get("extent", {}).get("spatial", {}).get("bbox") or [[]]
    return ",".join(str(edge) for edge in bounds[0])


def _features(request: HttpRequest) -> str:
    """Return where the features of a page are, as a map reads them: in degrees."""
    query = request.GET.copy()
    query.pop("crs", None)
    query["f"] = "json"
    limit = str(query.get("limit", ""))
    if limit.isdecimal():
        query["limit"] = str(min(int(limit), MOST_ON_A_PAGE))
    return f"{request.path}?{query.urlencode()}"


def as_html(value: Any, *, is_data: bool = False) -> SafeString:
    """Return a JSON value as HTML: objects as lists of terms, lists of objects as tables.

    ``is_data`` tells that its names and values are a layer's, shown as they are.
    """
    if isinstance(value, Mapping):
        return _terms(value, is_data)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _listed(value, is_data)
    if isinstance(value, str) and value.startswith(("http://", "https://")):
        return format_html('<a href="{}">{}</a>', value, value)
    if isinstance(value, bool | None):
        return format_html("{}", {True: _("yes"), False: _("no"), None: "–"}[value])
    is_counted = isinstance(value, int | float) and not is_data
    return format_html("{}", number_format(value, force_grouping=True) if is_counted else value)


def _member(name: str, value: Any, is_data: bool) -> SafeString:
    """Return what a member holds, as its name has it understood."""
    if is_data or name in OF_OTHERS:
        return as_html(value, is_data=True)
    if name in MOMENTS and isinstance(value, str):
        return _moment(value)
    if isinstance(value, str) and (word := WORDS.get(name, {}).get(value)):
        return format_html("{}", word)
    shown = as_html(value)
    is_foreign = name in IN_ENGLISH and type(value) in (str, list) and get_language() != "en"
    return format_html('<span lang="en">{}</span>', shown) if is_foreign else shown


def _moment(text: str) -> SafeString:
    shown = in_words(datetime.fromisoformat(text))
    return format_html('<time datetime="{}" title="{}">{}</time>', text, text, shown)


def _name(name: str, is_data: bool) -> SafeString:
    """Return what people read for a name of a member, and the name itself for who programs."""
    if is_data or name not in LABELS:
        return format_html("{}", name)
    return format_html('<span title="{}">{}</span>', name, LABELS[name])


def _is_link(value: Any, is_data: bool) -> bool:
    """Tell whether a value is a link of the site's own: a layer may call a field ``href``."""
    return isinstance(value, ToFeature if is_data else Mapping) and "href" in value


def _terms(value: Mapping[str, Any], is_data: bool) -> SafeString:
    if _is_link(value, is_data):
        return format_html(
            '<a href="{}" rel="{}" type="{}">{}</a>',
            value["href"],
            value.get("rel", ""),
            value.get("type", ""),
            value.get("title") or value.get("rel") or value["href"],
        )
    rows = ((_name(name, is_data), _member(name, each, is_data)) for name, each in value.items())
    return format_html("<dl>{}</dl>", format_html_join("", "<dt>{}</dt><dd>{}</dd>", rows))


def _listed(value: Sequence[Any], is_data: bool) -> SafeString:
    if not value:
        return format_html("{}", _("none"))
    if all(isinstance(each, Mapping) and not _is_link(each, is_data) for each in value):
        return _table(value, is_data)
    if all(isinstance(each, int | float | str) for each in value):
        text = ", ".join(str(each) for each in value)
        if not any(str(each).startswith("http") for each in value):
            return format_html("<span class=plain>{}</span>", text)
    items = ((as_html(each, is_data=is_data),) for each in value[:_MOST_PLAIN])
    return format_html("<ul>{}</ul>", format_html_join("", "<li>{}</li>", items))


def _table(rows: Sequence[Mapping[str, Any]], is_data: bool) -> SafeString:
    names = list(dict.fromkeys(name for row in rows for name in row))
    heads = ((_name(name, is_data),) for name in names)
    lines = (
        (format_html_join("", "<td>{}</td>", ((cell,) for cell in _cells(row, names, is_data))),)
        for row in rows
    )
    return format_html(
        '<div class="wide"><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>',
        format_html_join("", "<th scope=col>{}</th>", heads),
        format_html_join("", "<tr>{}</tr>", lines),
    )


def _cells(row: Mapping[str, Any], names: Sequence[str], is_data: bool) -> list[SafeString]:
    return [_member(name, row[name], is_data) if name in row else mark_safe("") for name in names]
