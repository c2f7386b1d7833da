"""The declaration of a route, and the check of a request against it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from marinemap.api.access import Access
from marinemap.api.declarations.documents import Document, Versioned
from marinemap.api.declarations.texts import read_text
from marinemap.errors import RequestError, ServiceError
from marinemap.processes.values import Schema, unknown
from marinemap.sentences import say

JSON = "application/json"
HTML = "text/html"
FORM_DATA = "multipart/form-data"

_IN_PATH = re.compile(r"\{(\w+)\}")
View = Callable[..., Document | Versioned | HttpResponseBase]


@dataclass(frozen=True)
class Parameter:
    """One parameter: what it is called, where it stands, and which values it takes.

    ``clamps`` takes a number above the schema's maximum for that maximum, as OGC 17-069r4 has
    it of ``limit``.
    """

    name: str
    schema: Schema
    description: str
    place: str = "query"
    is_required: bool = False
    clamps: bool = False

    @property
    def argument(self) -> str:
        """What the view calls it: ``bbox-crs`` is ``bbox_crs``, ``jobId`` is ``job_id``."""
        snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", self.name)
        return snake.lower().replace("-", "_")

    def read(self, texts: list[str]) -> Any:
        """Return the value of a request, the default where it has none.

        Raises
        ------
        RequestError
            If it is needed and missing, or its value does not fit.
        """
        if not texts:
            if self.is_required:
                raise RequestError(say("this parameter is missing"), field=self.name)
            return self.schema.get("default")
        if self.clamps:
            return min(read_text(self._unbounded, texts, self.name), self.schema["maximum"])
        return read_text(self.schema, texts, self.name)

    @cached_property
    def _unbounded(self) -> Schema:
        # Made once: what checks by a schema is kept for that very one.
        return {name: at for name, at in self.schema.items() if name != "maximum"}


@dataclass(frozen=True)
class Answer:
    """What a status means, and what comes with it."""

    description: str
    schema: Schema | None = None
    media_types: tuple[str, ...] = (JSON, HTML)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Body:
    """What a request carries: JSON, or a file of one of some media types."""

    schema: Schema
    description: str
    example: Mapping[str, Any] | None = None
    media_types: tuple[str, ...] = (JSON,)


@dataclass(frozen=True)
class Operation:
    """One method of a route.

    ``view`` takes the request and the parameters by name. ``more_parameters`` gives those that
    depend on the path, such as the fields of a layer; it takes the request and what the path holds.
    """

    method: str
    id: str
    summary: str
    view: View
    tag: str
    parameters: Sequence[Parameter] = ()
    body: Body | None = None
    answers: Mapping[int, Answer] = field(default_factory=dict)
    more_parameters: Callable[..., Sequence[Parameter]] | None = None
    # Of no default: who adds a route says whose business it is.
    access: Access = field(kw_only=True)

    def parameters_of(self, request: HttpRequest, path: Mapping[str, str]) -> Sequence[Parameter]:
        """Return all parameters that are no part of the path."""
        more = self.more_parameters(request, **path) if self.more_parameters else ()
        return [*self.parameters, *more]

    def read(self, request: HttpRequest, path: Mapping[str, str]) -> dict[str, Any]:
        """Return the arguments of the view.

        Raises
        ------
        RequestError
            If a parameter is unknown, missing, or has a wrong value; it names the nearest.
        """
        own = {each.name for each in self.parameters}
        # The fields of a layer are asked for where one may be meant.
        is_plain = own.issuperset(request.GET)
        known = self.parameters if is_plain else self.parameters_of(request, path)
        in_query = [each for each in known if each.place == "query"]
        names = [each.name for each in in_query]
        for name in request.GET:
            if name not in names:
                raise unknown(name, names, say("there is no parameter"))
        found = {each.name: self._value(each, request) for each in known}
        arguments = {each.argument: found[each.name] for each in self.parameters}
        if self.more_parameters:
            others = {name: at for name, at in found.items() if name not in own}
            arguments["others"] = {name: at for name, at in others.items() if at is not None}
        return {**path, **arguments}

    @staticmethod
    def _value(parameter: Parameter, request: HttpRequest) -> Any:
        if parameter.place == "query":
            return parameter.read(request.GET.getlist(parameter.name))
        text = request.headers.get(parameter.name)
        return parameter.read([] if text is None else [text])


@dataclass(frozen=True)
class Route:
    """One address of the API, with all that can be done there.

    ``path`` is as in OpenAPI, below ``/api``; ``in_path`` declares each of its variables.
    ``each`` gives the values of a variable that whoever asks may know, for clients that look for
    an address of their own in the document (GDAL takes page sizes and fields from no other).
    """

    name: str
    path: str
    operations: tuple[Operation, ...]
    in_path: tuple[Parameter, ...] = ()
    each: Callable[[HttpRequest], Sequence[Mapping[str, str]]] | None = None

    def __post_init__(self) -> None:
        declared = [parameter.name for parameter in self.in_path]
        if _IN_PATH.findall(self.path) != declared:
            raise ServiceError(f"route '{self.name}' declares {declared}, not its path's variables")

    @property
    def methods(self) -> list[str]:
        """The methods that are taken, as the header ``Allow`` lists them."""
        taken = [operation.method for operation in self.operations]
        return [each for method in taken for each in ([method, "HEAD"][: 1 + (method == "GET")])]

    def operation(self, method: str | None) -> Operation | None:
        """Return what a method does; HEAD is GET without the content."""
        wanted = "GET" if method == "HEAD" else method
        return next((each for each in self.operations if each.method == wanted), None)

    def to_django(self) -> str:
        """Return the path as Django writes it."""
        names = {each.name: each.argument for each in self.in_path}
        return _IN_PATH.sub(lambda found: f"<str:{names[found[1]]}>", self.path.lstrip("/"))
