"""Pages are in the language of whoever reads them, whole; what programs read is English."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import translation

from marinemap.catalogue.models import Layer
from marinemap.errors import DatasetError
from marinemap.jobs.letter_texts import Story, Told, tell_end
from marinemap.jobs.models import Job
from marinemap.jobs.reasons import as_problem
from marinemap.sentences import say
from scripts import messages
from tests.api.test_kept import Ask, ask

__all__ = ["ask"]

PAGES = [
    "/api/",
    "/api/conformance",
    "/api/collections",
    "/api/collections/reefs",
    "/api/collections/reefs/items",
    "/api/collections/reefs/items/1",
    "/api/collections/reefs/queryables",
    "/api/collections/reefs/values?field=habitat_class",
    "/api/tileMatrixSets",
    "/api/processes",
    "/api/processes/extract",
    "/api/processes/echo",
    "/api/jobs",
    "/api/limits",
    "/api/areas",
    "/api/openapi.html",
]
HTML = {"Accept": "text/html"}
DE = {"Accept-Language": "fr-FR, de-AT;q=0.8, en;q=0.5"}
# Esperanto stands for a language in which every text of the site's can be told from data.
MARKED = {"Accept-Language": "eo"}

_NAMES = {"MarineMap API", "MarineMap", "WebMercatorQuad", "curl", "Python", "OpenAPI"}
# Addresses, numbers, and names of members as programs write them.
_OF_PROGRAMS = r"https?://\S+|[\d.,\s–-]+|[$a-z][\w$-]*"

NewClient = Callable[..., Client]


@pytest.fixture(scope="module")
def marked_texts() -> bytes:
    """A language in which each text of the site's stands between brackets, as Django reads it."""
    catalogue = messages.messages("django")
    for each in catalogue:
        ids = each.id if isinstance(each.id, tuple) else (each.id,)
        words = tuple(f"⟦{text}⟧" for text in ids)
        each.string = words if isinstance(each.id, tuple) else words[0]
    return messages.compiled(catalogue)


@pytest.fixture
def marked(marked_texts: bytes, settings: Any, tmp_path: Path) -> None:
    """Offer that language."""
    folder = tmp_path / "eo" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "django.mo").write_bytes(marked_texts)
    settings.LOCALE_PATHS = [tmp_path]
    settings.LANGUAGES = [*settings.LANGUAGES, ("eo", "Esperanto")]
    settings.MARINEMAP_LANGUAGES = ["en", "eo"]


class _Texts(HTMLParser):
    """The texts of a page, without those that are told to programs, or said to be English."""

    _OTHERS = ("code", "pre", "small", "option", "time", "dd", "td")
    _NO_END = ("meta", "link", "input", "path", "circle", "br")

    def __init__(self, page: str) -> None:
        super().__init__()
        self._open: list[tuple[str, bool]] = []
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        # What a cell holds is data, but for links and names within.
        is_english = known.get("lang") == "en"
        is_others = tag in self._OTHERS or is_english or known.get("class") == "plain"
        if tag not in self._NO_END:
            self._open.append((tag, is_others))
        self.found += [known[name] or "" for name in ("aria-label",) if name in known]

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        inner = self._open[-1:] + [each for each in self._open if each[0] in ("pre", "code")]
        if data.strip() and not any(is_others for _, is_others in inner):
            self.found.append(data.strip())


def _is_others(text: str, layer: Layer) -> bool:
    """Tell whether a text is an address, a number, a name that is one everywhere, or a layer's."""
    own = {layer.title, f"{layer.title} 1", *(each["name"] for each in layer.fields)}
    parts = set(re.split(r" – |: ", text)) - own - _NAMES
    return all(re.fullmatch(_OF_PROGRAMS, part) for part in parts)


@pytest.mark.parametrize("address", PAGES)
def test_no_text_of_the_site_s_own_is_left_untranslated(
    reefs: Layer, new_client: NewClient, marked: None, address: str
) -> None:
    page = new_client(HTML | MARKED).get(address)
    assert page.status_code == 200 and page["Content-Language"] == "eo"
    texts = _Texts(page.content.decode()).found
    assert any("⟦" in text for text in texts)
    assert [text for text in texts if "⟦" not in text and not _is_others(text, reefs)] == []


@pytest.mark.parametrize("address", [each for each in PAGES if not each.endswith(".html")])
def test_what_programs_read_is_the_same_in_every_language(
    reefs: Layer, new_client: NewClient, marked: None, address: str
) -> None:
    json = {"Accept": "application/json, application/geo+json, application/schema+json"}
    marked_too = new_client(json | MARKED).get(address)
    assert marked_too.content == new_client(json).get(address).content
    assert "Content-Language" not in marked_too and "⟦" not in marked_too.content.decode()


@pytest.mark.parametrize("address", ["/api/", "/api/collections/reefs", "/api/jobs"])
def test_page_is_in_the_language_of_the_reader(
    reefs: Layer, new_client: NewClient, address: str
) -> None:
    page = new_client(HTML | DE).get(address)
    text = page.content.decode()
    assert page["Content-Language"] == "de" and '<html lang="de" dir="ltr">' in text
    assert {"Accept", "Accept-Language"} <= set(re.split(r",\s*", page["Vary"]))
    assert "Als JSON" in text and "As JSON" not in text
    other = new_client(HTML | {"Accept-Language": "fr, *;q=0.1"}).get(address)
    assert other["Content-Language"] == "en" and "As JSON" in other.content.decode()


def test_who_has_a_page_in_another_language_is_sent_theirs(
    reefs: Layer, new_client: NewClient
) -> None:
    english = new_client(HTML).get("/api/collections/reefs")
    client = new_client(HTML | DE | {"If-None-Match": english["ETag"]})
    german = client.get("/api/collections/reefs")
    assert german.status_code == 200 and german["Content-Language"] == "de"
    again = new_client(HTML | DE | {"If-None-Match": german["ETag"]}).get("/api/collections/reefs")
    assert again.status_code == 304


def test_answer_that_is_kept_is_given_to_readers_of_its_language(reefs: Layer, ask: Ask) -> None:
    for _ in range(3):
        english = ask("/api/collections", accept="text/html", accept_language="en")
        german = ask("/api/collections", accept="text/html", accept_language="de")
        plain = ask("/api/collections", accept_language="de")
        assert b"As JSON" in english.body and b"Als JSON" in german.body
        assert b"As JSON" in plain.body
    assert english.asked == german.asked == plain.asked == 0
    has = english.headers["ETag"]
    other = ask("/api/collections", accept="text/html", accept_language="de", if_none_match=has)
    assert (other.status, other.headers["Content-Language"]) == (200, "de")


def test_numbers_and_dates_are_written_as_the_reader_does(
    reefs: Layer, new_client: NewClient
) -> None:
    Layer.objects.update(feature_count=1234567)
    page = new_client(HTML | DE).get("/api/collections/reefs").content.decode()
    assert "1.234.567" in page
    assert re.search(r"<time [^>]*>\d+\. [A-ZÄa-zä]+ \d{4} \d\d:\d\d UTC</time>", page)
    assert "1,234,567" in new_client(HTML).get("/api/collections/reefs").content.decode()


def test_layer_s_own_words_are_not_taken_for_the_site_s(
    reefs: Layer, new_client: NewClient
) -> None:
    Layer.objects.update(title="Report", description="Waiting for its turn.")
    for address in ("/api/collections/reefs", "/api/processes/extract"):
        page = new_client(HTML | DE).get(address).content.decode()
        assert "Report" in page and ">Bericht" not in page
    assert "Waiting for its turn." in new_client(HTML | DE).get("/api/collections").content.decode()


def test_job_s_place_is_told_in_the_language_of_the_reader(
    transactional_db: None, new_client: NewClient, post: Callable[..., Any]
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM broker_messages")
    client = new_client()
    asked = {"inputs": {"message": "hello"}}
    jobs = [post(client, asked, "echo")["Location"] for _ in range(3)]
    told = [client.get(job, headers=HTML | DE).content.decode() for job in jobs]
    assert "Niemand ist vor Ihnen;" in told[0] and "1 Anfrage ist davor;" in told[1]
    assert "2 Anfragen sind davor;" in told[2] and "2 requests are ahead;" in str(
        client.get(jobs[2], headers=DE).json()["message"]
    )
    assert "wartet" in told[2] and 'lang="en"' not in told[2]


def test_letter_counts_and_dates_as_its_reader_does() -> None:
    until = datetime(2026, 3, 1, 14, 5, tzinfo=UTC)
    done = Told(["Riffe"], "successful", 1234.56)
    for language, one, two, size, moment in (
        (
            "de",
            "Ihre 1 Anfrage ist",
            "Ihre 2 Anfragen sind",
            "1.234,6 MB",
            "1. März 2026 14:05 UTC",
        ),
        (
            "en",
            "Your 1 request is",
            "Your 2 requests are",
            "1,234.6 MB",
            "March 1, 2026, 2:05 p.m. UTC",
        ),
    ):
        for count, words in ((1, one), (2, two)):
            story = Story([done] * count, True, "http://x/", "http://y/", until)
            subject, text = tell_end(story, language, "http://z/")
            assert words in subject and size in text and moment in text
            assert "{" not in text and "%" not in text
    assert translation.get_language() == "en"


def test_operator_s_first_language_is_for_who_asks_for_none(
    new_client: NewClient, settings: Any
) -> None:
    settings.MARINEMAP_LANGUAGES = ["de", "en"]
    assert new_client(HTML).get("/api/")["Content-Language"] == "de"
    assert (
        new_client(HTML | {"Accept-Language": "en;q=0.1"}).get("/api/")["Content-Language"] == "en"
    )
    settings.MARINEMAP_LANGUAGES = ["de"]
    page = new_client(HTML | {"Accept-Language": "en"}).get("/api/")
    assert page["Content-Language"] == "de"
    assert new_client().get("/api/").json()["links"][0]["title"] == "As JSON"


@pytest.mark.parametrize("header", ["de;q=0", "x" * 10_000, "de;q=x", "\xff", "*", ", ,"])
def test_header_that_asks_for_nothing_known_is_answered(new_client: NewClient, header: str) -> None:
    page = new_client(HTML | {"Accept-Language": header}).get("/api/")
    assert (page.status_code, page["Content-Language"]) == (200, "en")


def test_error_page_is_in_the_language_of_the_reader(new_client: NewClient) -> None:
    page = new_client(HTML | DE).get("/", HTTP_HOST="evil.example")
    assert page.status_code == 400 and page["Content-Language"] == "de"
    assert "antwortet nicht auf den Namen „evil.example“" in page.content.decode()
    problem = new_client(DE).get("/api/", HTTP_HOST="evil.example")
    assert problem.json()["detail"] == "diese Seite antwortet nicht auf den Namen „evil.example“"
    assert problem["Content-Language"] == "de" and "Accept-Language" in problem["Vary"]


def test_notes_of_an_estimate_are_told_whole_in_the_language_of_the_reader(
    reefs: Layer, new_client: NewClient, post: Callable[..., Any], marked: None, settings: Any
) -> None:
    settings.MARINEMAP_MAX_RUN_FEATURES = 1.0
    Layer.objects.update(most_features=2)
    corners = [[0, 40], [5, 45], [5, 40], [0, 45], [0, 40]]
    area = {"type": "Polygon", "coordinates": [corners]}
    body = {"inputs": {"layers": ["reefs"], "area": {"value": area}}}
    english, told = (post(new_client(each), body, "estimate") for each in ({}, MARKED))
    assert (told["Content-Language"], english["Content-Language"]) == ("eo", "en")
    plain, notes = english.json()["notes"], told.json()["notes"]
    # The area is repaired, the layer gives less, and so does the site.
    assert len(plain) == 3
    assert all(re.match(r"⟦.*⟧$", each) for each in notes)
    assert [re.sub("[⟦⟧]", "", each) for each in notes] == plain


REFUSED: list[tuple[str, Any]] = [
    ("/api/jobs/00000000-0000-0000-0000-000000000000", None),
    ("/api/jobs?limit=0", None),
    ("/api/nothing", None),
    ("/api/collections/reef", None),
    ("/api/collections/reefs/items?bbox=1,2,3", None),
    ("/api/collections/reefs/items?filter=dept_m>2", None),
    ("/api/collections/reefs/items?filter=depth_m==2", None),
    ("/api/collections/reefs/items?filter=T_AFTER(name,DATE('2026-01-01'))", None),
    ("/api/collections/reefs/tiles/WebMercatorQuad/2/9/0", None),
    ("/api/limits?f=xml", None),
    ("extract", {"inputs": {"layers": ["reef"], "area": [0, 40, 5, 45]}}),
    ("extract", {"inputs": {"layers": ["reefs"], "area": [60, 0, 61, 1]}}),
    ("extract", {"inputs": {"layers": ["reefs"], "area": [0, 40, 5, 45], "full_copy": 1}}),
    ("extract", {"inputs": {"layers": ["reefs"], "area": [0, 40, 5, 45], "fields": ["nam"]}}),
    ("extract", {"inputs": {"layers": ["reefs"], "area": [0, 40, 5, 45], "mode": "cut"}}),
    ("extract", {"inputs": {"layers": [], "area": [0, 40, 5, 45]}}),
    ("extract", {"inputs": {"layers": ["reefs"], "area": "nowhere"}}),
    ("extract", []),
    ("extract", "no JSON"),
]


@pytest.mark.parametrize(("address", "asked"), REFUSED, ids=lambda value: str(value)[:60])
def test_refusal_is_told_whole_in_the_language_of_the_reader(
    reefs: Layer,
    new_client: NewClient,
    post: Callable[..., Any],
    marked: None,
    address: str,
    asked: Any,
) -> None:
    def refused(headers: dict[str, str]) -> Any:
        client = new_client(headers)
        return client.get(address) if asked is None else post(client, asked, address)

    english, told = refused({}), refused(MARKED)
    assert 400 <= told.status_code == english.status_code < 500
    assert (told["Content-Language"], english["Content-Language"]) == ("eo", "en")
    assert "Accept-Language" in told["Vary"] and "Accept-Language" in english["Vary"]
    plain = english.json()
    for name, value in told.json().items():
        if name in ("title", "detail", "hint"):
            assert re.match(r"⟦.*⟧$", value, re.DOTALL), value
            assert re.sub("[⟦⟧]", "", value) == plain[name]
        else:
            assert value == plain[name]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"letter": 1}, "eine Anfrage hat kein Element „letter“; es gibt "),
        ({"outputs": {"map": {}}}, "der Prozess „extract“ hat keine Ausgabe „map“; es gibt "),
    ],
)
def test_parts_of_a_refusal_are_in_the_language_of_the_reader(
    reefs: Layer, new_client: NewClient, post: Callable[..., Any], asked: Any, told: str
) -> None:
    inputs = {"layers": ["reefs"], "area": [0, 40, 5, 45]}
    refused = post(new_client({"Accept-Language": "de"}), {"inputs": inputs, **asked}, "extract")
    assert refused.json()["detail"].startswith(told)


def test_numbers_of_a_refusal_are_written_as_the_reader_does(
    new_client: NewClient, post: Callable[..., Any]
) -> None:
    refused = post(new_client(DE), b" " * (5 * 1024 * 1024 + 1))
    assert refused.json()["title"] == "Inhalt zu groß"
    assert "5.242.880 Bytes" in refused.json()["detail"]


def test_why_a_job_failed_is_told_in_the_language_of_the_reader(
    reefs: Layer, new_client: NewClient, post: Callable[..., Any]
) -> None:
    client = new_client()
    address = post(client, {"inputs": {"message": "hello"}}, "echo")["Location"]
    error = DatasetError(say("{name} was changed while it was read", name="a.gpkg"))
    Job.objects.update(status="failed", message=str(error), problem=as_problem(error))
    told = client.get(f"{address}/results", headers=DE)
    assert told.json()["detail"] == "a.gpkg wurde geändert, während es gelesen wurde"
    page = client.get(address, headers=HTML | DE).content.decode()
    assert "a.gpkg wurde geändert" in page and "was changed" not in page
    assert client.get(address, headers=DE).json()["message"] == str(error)
    # As a version that knew no sentences left it.
    problem = as_problem(error)
    del problem["said"]
    Job.objects.update(problem=problem)
    assert client.get(f"{address}/results", headers=DE).json()["detail"] == str(error)
    assert "was changed" in client.get(address, headers=HTML | DE).content.decode()
