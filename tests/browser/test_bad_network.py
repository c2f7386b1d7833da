"""A bad network: one answer of many is lost, late, or the service has no time for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.running_site import RunningSite

pytestmark = pytest.mark.parametrize("prepared", ["sqlite"], indirect=True)

PORTS = "#map=5/45/5&layers=ports&area=0,40,5,45"
AREA = f"zones:recif-5-{quote('珊瑚')}"
FORMATS = "**/api/processes/extract"
BUSY = {"title": "Busy", "detail": "the server is busy"}


@pytest.fixture(scope="module")
def named_site(drawn_site: RunningSite, marine_gpkg: Path) -> Iterator[RunningSite]:
    """A site with areas that are known by their names."""
    drawn_site.manage("addlayer", "zones", marine_gpkg, "--layer", "reefs", "--area-names", "name")
    yield drawn_site


@pytest.mark.parametrize("how", ["lost", "busy"])
def test_what_one_answer_would_have_brought_is_asked_for_again(
    page: Page, drawn_site: RunningSite, how: str
) -> None:
    page.goto(f"{drawn_site.base}/{PORTS}")
    _tag(page, "submit").click()
    expect(_tag(page, "request-row")).to_have_count(1)
    for address in (FORMATS, "**/api/jobs?*"):
        _fail_once(page, address, how)
    page.goto(f"{drawn_site.base}/healthz")
    page.goto(f"{drawn_site.base}/{PORTS}&format=geopackage")
    # All others come: no word of a connection that is lost.
    expect(_tag(page, "format")).to_have_value("geopackage")
    expect(_tag(page, "request-row")).to_have_count(1)
    expect(_tag(page, "offline")).to_be_hidden()


def test_nothing_is_sent_in_another_format_than_the_address_names(
    page: Page, drawn_site: RunningSite
) -> None:
    held: list[Route] = []
    page.route(FORMATS, lambda route: held.append(route))
    page.goto(f"{drawn_site.base}/{PORTS}&format=geopackage")
    reason = _tag(page, "submit-reason")
    expect(reason).to_have_text("One moment: it is not known yet which formats there are.")
    expect(_tag(page, "submit")).to_be_disabled()
    held.pop().continue_()
    expect(_tag(page, "submit")).to_have_text("Get GeoPackage")
    expect(_tag(page, "submit")).to_be_enabled()


def test_proxy_without_the_service_behind_it_is_told(page: Page, drawn_site: RunningSite) -> None:
    page.goto(f"{drawn_site.base}/{PORTS}")
    expect(_tag(page, "estimate-text")).to_contain_text("features")
    html = {"status": 502, "content_type": "text/html", "body": "<h1>502 Bad Gateway</h1>"}
    page.route("**/healthz", lambda route: route.fulfill(**html))
    expect(_tag(page, "offline")).to_be_visible()
    page.unroute("**/healthz")
    expect(_tag(page, "offline")).to_be_hidden()


def test_area_of_the_address_outlasts_a_busy_service(page: Page, named_site: RunningSite) -> None:
    page.goto(f"{named_site.base}/{PORTS}")
    expect(_tag(page, "estimate-text")).to_contain_text("25 features")
    _fail_once(page, "**/api/areas/*", "busy")
    page.evaluate("location.hash = '#map=5/45/5&layers=ports&area=" + AREA + "'")
    expect(_tag(page, "problem-area")).to_have_text("The server is busy.")
    # Nothing else is asked for in its name, and it is not forgotten.
    expect(_tag(page, "area-size")).to_have_text("No area yet.")
    _tag(page, "layer-reefs").check()
    expect(page).to_have_url(re.compile(f"layers=ports,reefs&area={AREA}$"))
    expect(_tag(page, "area-size")).to_contain_text("Récif 5")
    expect(_tag(page, "problem-area")).to_be_hidden()


def test_area_whose_answer_is_lost_is_told_and_can_be_chosen_again(
    page: Page, named_site: RunningSite
) -> None:
    page.goto(f"{named_site.base}/#map=5/45/5&layers=ports")
    _choose(page, "recif 5", "Récif 5", lambda: _fail_once(page, "**/api/areas/*", "lost"))
    expect(_tag(page, "problem-area")).to_contain_text("was not read: the connection was lost")
    expect(_tag(page, "area-size")).to_have_text("No area yet.")
    _fail_once(page, "**/api/areas?*", "lost")
    _tag(page, "area-name").fill("recif 6")
    options = _tag(page, "area-names").get_by_role("option")
    expect(options).to_have_text("No answer came. Type on to search again.")
    _choose(page, "recif 7", "Récif 7")
    expect(_tag(page, "area-size")).to_contain_text("Récif 7")
    expect(_tag(page, "problem-area")).to_be_hidden()


def test_of_several_areas_the_one_that_was_chosen_last_counts(
    page: Page, named_site: RunningSite
) -> None:
    held: list[Route] = []
    page.goto(f"{named_site.base}/#map=5/45/5&layers=ports")
    _hold_first(page, "**/api/areas/*", held)
    with page.expect_request("**/api/areas/*"):
        _choose(page, "recif 5", "Récif 5")
    _choose(page, "recif 7", "Récif 7")
    expect(_tag(page, "area-size")).to_contain_text("Récif 7")
    with page.expect_response("**/api/areas/*") as late:
        held[0].continue_()
    late.value.finished()
    held.clear()
    page.evaluate("() => new Promise(requestAnimationFrame)")
    expect(_tag(page, "area-size")).to_contain_text("Récif 7")
    # A file that is refused by then says nothing of the area before.
    page.route("**/api/areas?title*", lambda route: held.append(route))
    rubbish = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no area"}
    with page.expect_request("**/api/areas?title*"):
        _tag(page, "area-file").set_input_files(rubbish)
    expect(_tag(page, "area-size")).to_have_text("Reading notes.txt …")
    page.evaluate("location.hash = '#map=5/45/5&layers=ports&area=0,40,1,41'")
    expect(_tag(page, "area-size")).to_have_text("Area: 9,413 km²")
    held.pop().continue_()
    expect(_tag(page, "problem-area")).to_contain_text("notes.txt: ")
    expect(_tag(page, "area-size")).to_have_text("Area: 9,413 km²")


def test_enter_chooses_nothing_that_was_found_for_other_words(
    page: Page, named_site: RunningSite
) -> None:
    held: list[Route] = []
    page.goto(f"{named_site.base}/#map=5/45/5&layers=ports")
    name, options = _tag(page, "area-name"), _tag(page, "area-names").get_by_role("option")
    name.fill("recif 5")
    expect(options.first).to_contain_text("Récif 5")
    page.route("**/api/areas?*", lambda route: held.append(route))
    with page.expect_request("**/api/areas?*"):
        name.fill("recif 7")
    name.press("Enter")
    expect(name).to_have_value("recif 7")
    held.pop().continue_()
    expect(options.first).to_contain_text("Récif 7")
    name.press("Enter")
    expect(_tag(page, "area-size")).to_contain_text("Récif 7")


def test_older_requests_are_offered_however_late_the_first_come(
    page: Page, drawn_site: RunningSite
) -> None:
    page.goto(f"{drawn_site.base}/{PORTS}")
    asked = [{"process": "extract", "inputs": {"layers": ["reefs"], "area": [0, 40, 5, 45]}}] * 25
    answer = page.evaluate(
        """async (requests) => (await fetch("/api/batches", {
            method: "POST",
            headers: {"Content-Type": "application/json"},
            body: JSON.stringify({requests}),
        })).status""",
        asked,
    )
    assert answer == 201
    held: list[Route] | None = []

    def hold(route: Route) -> None:
        route.continue_() if held is None else held.append(route)

    page.route("**/api/jobs?*", hold)
    # Of all others the stream tells.
    page.route("**/api/jobs/events", lambda route: route.abort())
    page.reload()
    _tag(page, "submit").click()
    expect(_tag(page, "request-row")).to_have_count(1)
    so_far, held = held, None
    for route in so_far:
        route.continue_()
    older = _tag(page, "more-requests")
    expect(older).to_be_visible()
    # Not what else is asked of requests meanwhile.
    _fail_once(page, re.compile(r"/api/jobs\?.*\bafter="), "busy")
    older.click()
    expect(_tag(page, "banner")).to_contain_text("The server is busy.")
    older.click()
    expect(_tag(page, "request-row")).to_have_count(26)


def test_page_does_without_what_the_browser_forbids(page: Page, drawn_site: RunningSite) -> None:
    page.add_init_script("""
        const forbidden = () => { throw new DOMException("forbidden", "SecurityError"); };
        window.BroadcastChannel = forbidden;
        for (const name of ["localStorage", "sessionStorage"]) {
            Object.defineProperty(window, name, {get: forbidden});
        }
    """)
    page.goto(f"{drawn_site.base}/{PORTS}")
    expect(_tag(page, "estimate-text")).to_contain_text("25 features")
    _tag(page, "submit").click()
    expect(_tag(page, "request-row")).to_have_count(1)


def _choose(page: Page, words: str, title: str, before: Callable[[], object] = bool) -> None:
    name = _tag(page, "area-name")
    name.fill(words)
    expect(_tag(page, "area-names").get_by_role("option").first).to_contain_text(title)
    before()
    name.press("Enter")


def _hold_first(page: Page, address: str, held: list[Route]) -> None:
    page.route(address, lambda route: route.continue_() if held else held.append(route))


def _fail_once(page: Page, address: str | re.Pattern[str], how: str) -> None:
    failed: list[str] = []

    def fail(route: Route) -> None:
        if failed:
            return route.continue_()
        failed.append(route.request.url)
        return route.abort() if how == "lost" else route.fulfill(status=503, json=BUSY)

    page.route(address, fail)


def _tag(page: Page, name: str) -> Locator:
    return page.get_by_test_id(name)
