"""What is declared of a route is both what is checked and what is described."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client, RequestFactory
from openapi_spec_validator import OpenAPIV30SpecValidator

from marinemap.api.access import Access
from marinemap.api.declarations import Document, Operation, Parameter, Route, openapi
from marinemap.api.declarations.serving import serve
from marinemap.api.routes import all_routes
from marinemap.catalogue.models import Layer
from marinemap.errors import RequestError
from tests.api.test_jobs import assert_problem

pytestmark = pytest.mark.django_db
NewClient = Callable[..., Client]


def a_route(**limit: Any) -> Route:
    parameter = Parameter("limit", {"type": "integer", "minimum": 1, **limit}, "How many.")
    operation = Operation(
        "GET", "things", "Things", _things, "Things", (parameter,), access=Access.OPEN
    )
    return Route("things", "/things", (operation,))


def _things(request: Any, limit: int | None) -> Document:
    return Document("Things", {"limit": limit})


def described(route: Route) -> dict[str, Any]:
    (parameter,) = openapi.document(RequestFactory().get("/"), [route], "/", "1")["paths"][
        "/things"
    ]["get"]["parameters"]
    return dict(parameter["schema"])


def test_check_and_description_follow_one_declaration() -> None:
    few, many = a_route(maximum=5), a_route(maximum=50)
    request = RequestFactory().get("/things", {"limit": "20"})
    with pytest.raises(RequestError, match="more than 5"):
        serve(few)(request)
    assert json.loads(serve(many)(request).content) == {"limit": 20}
    assert (described(few)["maximum"], described(many)["maximum"]) == (5, 50)


def test_default_is_taken_and_described() -> None:
    route = a_route(default=7)
    assert json.loads(serve(route)(RequestFactory().get("/things")).content) == {"limit": 7}
    assert described(route)["default"] == 7


def test_route_declares_the_variables_of_its_path() -> None:
    with pytest.raises(Exception, match="declares"):
        dataclasses.replace(a_route(), path="/things/{thingId}")


def test_every_route_is_described_with_its_methods(reefs: Layer, new_client: NewClient) -> None:
    paths = new_client().get("/api/openapi.json").json()["paths"]
    for route in all_routes():
        found = [at for path, at in paths.items() if path.count("/") == route.path.count("/")]
        methods = {operation.method.lower() for operation in route.operations}
        assert any(methods <= set(item) for item in found), route.path


def test_document_is_valid_openapi_3_0(reefs: Layer, new_client: NewClient) -> None:
    response = new_client().get("/api/openapi.json")
    assert response["Content-Type"] == "application/vnd.oai.openapi+json;version=3.0"
    document = response.json()
    assert document["openapi"] == "3.0.3"
    assert list(OpenAPIV30SpecValidator(document).iter_errors()) == []
    # Each is a question of its own to a generator of clients.
    ids = [
        at["operationId"]
        for item in document["paths"].values()
        for at in item.values()
        if isinstance(at, dict)
    ]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("address", "field", "detail"),
    [
        ("/api/?x=1", "x", "there is no parameter"),
        ("/api/jobs?limt=3", "limt", "Did you mean 'limit'"),
        ("/api/jobs?LIMIT=3", "LIMIT", "Did you mean 'limit'"),
        ("/api/jobs?status=ready", "status.0", "there is no status 'ready'; there are 'accepted'"),
        ("/api/jobs?status=sucessful", "status.0", "Did you mean 'successful'"),
        ("/api/jobs?limit=ten", "limit", "not a whole number"),
        ("/api/jobs?limit=1_0", "limit", "not a whole number"),
        ("/api/jobs?limit=0", "limit", "less than 1"),
        ("/api/jobs?limit=3&limit=4", "limit", "more than once"),
        ("/api/jobs?datetime=yesterday", "datetime", "not a moment"),
        ("/api/jobs?datetime=2026-01-02/2026-01-01", "datetime", "ends before"),
        ("/api/jobs?minDuration=-1", "minDuration", "less than 0"),
        ("/api/jobs?after=x", "after", "not the end of a page"),
        (f"/api/jobs?after={'9' * 18}-{'0' * 32}", "after", "not the end of a page"),
        ("/api/processes?f=xml", "f", "'json'"),
    ],
)
def test_parameter_that_is_wrong_is_refused_by_name(
    new_client: NewClient, address: str, field: str, detail: str
) -> None:
    problem = assert_problem(new_client().get(address), 400)
    assert problem["field"] == field
    assert detail in problem["detail"]


PAGES = [
    "/api/",
    "/api/conformance",
    "/api/processes",
    "/api/processes/extract",
    "/api/jobs",
    "/api/collections",
    "/api/collections/reefs",
]


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.scripts += tag == "script"
        if tag in ("a", "link") and dict(attrs).get("href"):
            self.found.add(dict(attrs)["href"])


def hrefs(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["href"]} if "href" in node else set()
        return own.union(*map(hrefs, node.values()))
    return set().union(*map(hrefs, node)) if isinstance(node, list) else set()


@pytest.mark.parametrize("address", PAGES)
def test_every_document_is_a_page_with_all_its_links(
    reefs: Layer, new_client: NewClient, address: str
) -> None:
    client = new_client()
    document = client.get(address).json()
    page = client.get(address, headers={"Accept": "text/html,*/*;q=0.8"})
    assert page["Content-Type"] == "text/html; charset=utf-8"
    links = _Links()
    links.feed(page.content.decode())
    own = {link["href"] for link in document["links"] if link["rel"] == "self"}
    assert hrefs(document) - own <= links.found
    assert links.scripts == 0
    assert client.get(f"{address}?f=html").content == client.get(f"{address}?f=html").content


@pytest.mark.parametrize("address", PAGES)
def test_document_links_to_itself_and_to_its_other_form(
    reefs: Layer, new_client: NewClient, address: str
) -> None:
    client = new_client()
    links = {link["rel"]: link for link in client.get(address).json()["links"]}
    assert links["self"]["type"] == "application/json"
    assert links["alternate"]["type"] == "text/html"
    assert client.get(links["self"]["href"]).json() == client.get(address).json()
    assert client.get(links["alternate"]["href"])["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/html", "text/html; charset=utf-8"),
        (
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "text/html; charset=utf-8",
        ),
        ("text/html;q=0.5, application/json", "application/json"),
        ("text/*", "text/html; charset=utf-8"),
        ("application/xml", None),
        ("application/json;q=0", None),
    ],
)
def test_form_is_what_the_client_takes(
    new_client: NewClient, accept: str, media_type: str | None
) -> None:
    response = new_client().get("/api/conformance", headers={"Accept": accept})
    if media_type is None:
        assert (response.status_code, response.json()["field"]) == (406, "Accept")
    else:
        assert response["Content-Type"] == media_type
        assert "Accept" in response["Vary"]


def test_document_that_the_client_has_is_not_sent_again(new_client: NewClient) -> None:
    client = new_client()
    first = client.get("/api/processes")
    again = client.get("/api/processes", headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    page = client.get("/api/processes?f=html", headers={"If-None-Match": first["ETag"]})
    assert page.status_code == 200


def test_service_doc_describes_every_route_without_a_script(new_client: NewClient) -> None:
    page = new_client().get("/api/openapi.html")
    text = page.content.decode()
    links = _Links()
    links.feed(text)
    assert links.scripts == 0
    for route in all_routes():
        assert f"/api{route.path}" in text
    known = {"If-None-Match": page["ETag"]}
    assert new_client().get("/api/openapi.html", headers=known).status_code == 304
    german = known | {"Accept-Language": "de"}
    assert new_client().get("/api/openapi.html", headers=german).status_code == 200


@pytest.mark.parametrize(
    ("asked", "media_type"),
    [
        ({}, "multipart/related"),
        ({"outputs": {"message": {}}}, "text/plain"),
        ({"outputs": {"text": {}}}, "text/xml"),
        ({"response": "document"}, "application/json"),
        ({"outputs": {"none": {}}}, "application/problem+json"),
    ],
)
def test_media_type_of_each_answer_of_a_process_is_described(
    new_client: NewClient, asked: dict[str, Any], media_type: str
) -> None:
    body = {"inputs": {"message": "a", "text": "<b/>"}, **asked}
    client = new_client()
    answer = client.post("/api/processes/echo/execution", body, "application/json")
    assert answer["Content-Type"].partition(";")[0] == media_type
    paths = client.get("/api/openapi.json").json()["paths"]
    responses = paths["/processes/{processId}/execution"]["post"]["responses"]
    declared = responses.get(str(answer.status_code), responses["default"])
    assert media_type in declared["content"]
    of_results = paths["/jobs/{jobId}/results"]["get"]["responses"]
    assert media_type in {**of_results["200"]["content"], **of_results["404"]["content"]}


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("/collections/{collectionId}", "/api/collections/nothing"),
        ("/jobs/{jobId}", "/api/jobs/nothing"),
        ("/processes", "/api/processes?nonsense=1"),
    ],
)
def test_error_that_is_a_page_to_a_browser_is_described(
    new_client: NewClient, path: str, address: str
) -> None:
    answer = new_client().get(address, headers={"Accept": "text/html"})
    assert answer.status_code in (400, 404)
    assert answer["Content-Type"].startswith("text/html")
    described = new_client().get("/api/openapi.json").json()["paths"][path]
    responses = described["get"]["responses"]
    declared = responses.get(str(answer.status_code), responses["default"])["content"]
    assert declared["text/html"] == {"schema": {"type": "string"}}
    for method in set(described) & {"post", "delete"}:
        assert "text/html" not in described[method]["responses"]["default"]["content"]


def test_answers_that_are_no_json_are_described_as_texts_and_files(new_client: NewClient) -> None:
    paths = new_client().get("/api/openapi.json").json()["paths"]
    file, text = {"type": "string", "format": "binary"}, {"type": "string"}
    of_results = paths["/jobs/{jobId}/results"]["get"]["responses"]["200"]["content"]
    assert of_results["application/zip"]["schema"] == file
    assert of_results["multipart/related"]["schema"] == file
    assert of_results["text/plain"]["schema"] == text
    # Any value, any elements.
    assert of_results["application/json"]["schema"] == of_results["text/xml"]["schema"] == {}
    tile = "/collections/{collectionId}/tiles/WebMercatorQuad/{tileMatrix}/{tileRow}/{tileCol}"
    (of_tile,) = paths[tile]["get"]["responses"]["200"]["content"].values()
    assert of_tile["schema"] == file
    page = paths["/openapi.html"]["get"]["responses"]["200"]["content"]["text/html"]
    assert page["schema"] == text


def test_options_tells_the_methods_of_a_route(new_client: NewClient) -> None:
    answer = new_client().options("/api/jobs")
    assert (answer.status_code, answer["Allow"], answer.content) == (204, "GET, HEAD, OPTIONS", b"")
    # A method that is not taken is still refused with the same.
    assert new_client().put("/api/jobs")["Allow"] == "GET, HEAD"


def test_client_that_takes_one_type_for_all_reads_results_as_text(new_client: NewClient) -> None:
    """openapi-python-client takes the first that it knows: a zip is no JSON."""
    paths = new_client().get("/api/openapi.json").json()["paths"]
    answered = {
        "/processes/{processId}/execution": "post",
        "/jobs/{jobId}/results": "get",
        "/jobs/{jobId}/results/{outputId}": "get",
        "/shared/{key}": "get",
    }
    for path, method in answered.items():
        kinds = list(paths[path][method]["responses"]["200"]["content"])
        assert kinds[0] == "text/plain" and "application/zip" in kinds, path
