"""The OpenAPI 3.0.3 document, made from the declarations of the routes."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from marinemap.api.access import Access
from marinemap.api.declarations.operation import (
    FORM_DATA,
    HTML,
    JSON,
    Answer,
    Body,
    Operation,
    Parameter,
    Route,
)

MEDIA_TYPE = "application/vnd.oai.openapi+json;version=3.0"
PROBLEM = "application/problem+json"
_REF = "#/components/schemas/Problem"
_SCHEMES = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "A personal token; without one you ask as everyone may, or as your cookie.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "sessionid",
        "description": "Of a person who has signed in at /admin/.",
    },
}
# Where a parameter stands, for people.
_WHERE = {
    "path": gettext_lazy("in the path"),
    "query": gettext_lazy("in the query"),
    "header": gettext_lazy("as a header"),
}
_OPTIONAL: tuple[dict[str, list[str]], ...] = ({}, {"token": []}, {"session": []})
_SECURITY: dict[Access, tuple[dict[str, list[str]], ...]] = {Access.ACCOUNT: ({"session": []},)}
# Beyond so many layers the document names the variable, not each of its values.
_MOST_EACH = 100


def document(
    request: HttpRequest, routes: Sequence[Route], server: str, version: str
) -> dict[str, Any]:
    """Return the document.

    Parameters
    ----------
    request : HttpRequest
        Who asks: there may be layers that others do not see.
    routes : sequence of Route
    server : str
        The address below which the paths lie.
    version : str
        Of this service.
    """
    paths: dict[str, Any] = {}
    for route in routes:
        for path, values in _paths(request, route):
            paths[path] = _path_item(request, route, values)
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "MarineMap",
            "version": version,
            "description": "Clip, zip and ship: map data of an area, by OGC API.",
            "license": {"name": "BSD-3-Clause"},
        },
        "servers": [{"url": server}],
        "tags": [{"name": tag} for tag in _tags(routes)],
        "paths": paths,
        "components": {"schemas": {"Problem": _problem()}, "securitySchemes": _SCHEMES},
    }


def summary(routes: Sequence[Route], root: str) -> list[dict[str, Any]]:
    """Return the operations as a page shows them, with a form where one can be tried."""
    return [_shown(route, operation, root) for route in routes for operation in route.operations]


def _paths(request: HttpRequest, route: Route) -> list[tuple[str, Mapping[str, str]]]:
    known = list(route.each(request)) if route.each else []
    if not known or len(known) > _MOST_EACH:
        return [(route.path, {})]
    return [(_filled(route.path, values), values) for values in known]


def _filled(path: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", value)
    return path


def _path_item(request: HttpRequest, route: Route, values: Mapping[str, str]) -> dict[str, Any]:
    item: dict[str, Any] = {
        operation.method.lower(): _operation(request, route, operation, values)
        for operation in route.operations
    }
    left = [each for each in route.in_path if each.name not in values]
    if left:
        item["parameters"] = [_parameter(each) for each in left]
    return item


def _operation(
    request: HttpRequest, route: Route, operation: Operation, values: Mapping[str, str]
) -> dict[str, Any]:
    names = {each.name: each.argument for each in route.in_path}
    path = {names[name]: value for name, value in values.items()}
    is_known = len(path) == len([each for each in names if f"{{{each}}}" in route.path])
    more = operation.parameters_of(request, path) if path and is_known else None
    declared = operation.parameters if more is None else more
    described: dict[str, Any] = {
        "operationId": ".".join([operation.id, *values.values()]),
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": [_parameter(each) for each in declared],
        "security": list(_SECURITY.get(operation.access, _OPTIONAL)),
        "responses": {
            str(status): _answer(operation, status, answer)
            for status, answer in operation.answers.items()
        },
    }
    described["responses"]["default"] = {
        "description": "What is wrong, in words, with the field at fault.",
        "content": _problem_content(operation),
    }
    if operation.body:
        described["requestBody"] = _body(operation.body)
    return described


def _body(body: Body) -> dict[str, Any]:
    content = {kind: {"schema": _body_schema(body, kind)} for kind in body.media_types}
    if body.example:
        content[JSON]["example"] = dict(body.example)
    return {"required": True, "description": body.description, "content": content}


def _body_schema(body: Body, kind: str) -> Any:
    if kind != FORM_DATA:
        return copy.deepcopy(body.schema)
    # A form with the file as its one field.
    file = copy.deepcopy(body.schema)
    return {"type": "object", "required": ["file"], "properties": {"file": file}}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.description,
        "required": parameter.is_required or parameter.place == "path",
        "schema": copy.deepcopy(dict(parameter.schema)),
    }
    if parameter.place == "query":
        # Written out: the official suites do not know the default (OGC 17-069r4, 7.15.3).
        described |= {"style": "form", "explode": False}
    return described


def _problem_content(operation: Operation) -> dict[str, Any]:
    # As plain JSON it comes to who takes nothing else, as a page to who follows links.
    page = {HTML: {"schema": _text_or_bytes(HTML)}} if operation.method == "GET" else {}
    return {kind: {"schema": {"$ref": _REF}} for kind in (PROBLEM, JSON)} | page


def _answer(operation: Operation, status: int, answer: Answer) -> dict[str, Any]:
    described: dict[str, Any] = {"description": answer.description}
    if status >= HTTPStatus.BAD_REQUEST:
        return described | {"content": _problem_content(operation)}
    schema = {} if answer.schema is None else copy.deepcopy(dict(answer.schema))
    if answer.media_types:
        described["content"] = {
            kind: {"schema": schema if "json" in kind else _text_or_bytes(kind)}
            for kind in answer.media_types
        }
    if answer.headers:
        described["headers"] = {
            name: {"description": about, "schema": {"type": "string"}}
            for name, about in answer.headers.items()
        }
    return described


def _text_or_bytes(kind: str) -> dict[str, Any]:
    if kind.endswith("xml"):
        # Whoever reads the document looks for the elements that a schema describes.
        return {}
    text = {"type": "string"}
    return text if kind.startswith("text/") else {**text, "format": "binary"}


def _problem() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "type": "object",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "title": text,
            "status": {"type": "integer"},
            "detail": text,
            "field": {**text, "description": "The parameter or member at fault."},
            "value": {**text, "description": "Its value, shortened."},
            "hint": {**text, "description": "What to do about it."},
            "reference": {**text, "description": "To be quoted to the operator."},
        },
    }


def _tags(routes: Sequence[Route]) -> list[str]:
    return list(dict.fromkeys(each.tag for route in routes for each in route.operations))


def _shown(route: Route, operation: Operation, root: str) -> dict[str, Any]:
    is_open = operation.method == "GET" and not route.in_path
    return {
        "id": operation.id,
        "method": operation.method,
        "path": f"{root}{route.path}",
        "summary": operation.summary,
        "action": f"{root}{route.path}" if is_open else "",
        "parameters": [_shown_parameter(each) for each in (*route.in_path, *operation.parameters)],
        "example": _shown_example(operation),
        "answers": [
            {"status": status, "description": at.description, "media_types": at.media_types}
            for status, at in operation.answers.items()
        ],
    }


def _shown_example(operation: Operation) -> str:
    if not operation.body or not operation.body.example:
        return ""
    return json.dumps(operation.body.example, indent=1)


def _shown_parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "place": parameter.place,
        "where": _WHERE[parameter.place],
        "description": parameter.description,
        "type": parameter.schema.get("type", "text"),
        "choices": parameter.schema.get("enum"),
    }
