"""Requests as cards: told apart, followed, fetched, shared, asked again."""

from __future__ import annotations

import io
import re
import zipfile
from typing import Any

import pytest
import requests
from playwright.sync_api import Locator, Page, Route, expect

from tests.running_site import RunningSite, wait_for

pytestmark = pytest.mark.parametrize("prepared", ["sqlite"], indirect=True)

SOUTH_WEST = "area=0,40,5,45"


def test_cards_of_one_layer_are_told_apart_and_stay(page: Page, working_site: RunningSite) -> None:
    areas = ["0,40,5,45", "0,40,9,41", "2,42;4,42;3,44"]
    for number, area in enumerate(areas, 1):
        _open(page, working_site, f"layers=reefs&area={area}")
        _tag(page, "submit").click()
        expect(_tag(page, "request-row")).to_have_count(number)
    _open(page, working_site, f"layers=reefs&{SOUTH_WEST}&format=geopackage")
    _tag(page, "submit").click()
    _expect_four(page)
    # The last came by the stream of events, and with what became of its layers.
    expect(_tag(page, "report").first).to_contain_text("25 features")
    page.reload()
    _expect_four(page)
    other = page.context.new_page()
    other.goto(working_site.base)
    _expect_four(other)
    other.close()


def test_card_tells_what_became_of_each_layer(page: Page, working_site: RunningSite) -> None:
    _open(page, working_site, "layers=reefs,ports&area=0.1,40.1,0.3,40.3")
    _tag(page, "submit").click()
    report = _tag(page, "report")
    report.locator("summary").click()
    expect(report.locator("dt")).to_have_text(["ports", "reefs"])
    expect(report).to_contain_text("1 feature")
    expect(report).to_contain_text("nothing in this area")
    expect(report).to_contain_text("habitat_class is called habitat_cl")
    expect(_tag(page, "download")).to_have_text(re.compile(r"Download \(\d+(\.\d+)? kB\)"))
    expect(_tag(page, "request-state")).to_contain_text("Ready, kept until")


def test_result_is_shared_kept_and_removed(page: Page, working_site: RunningSite) -> None:
    _open(page, working_site, f"layers=ports&{SOUTH_WEST}")
    _tag(page, "submit").click()
    _tag(page, "share").click()
    link = _tag(page, "share-link").locator("input").input_value()
    said = page.locator("#announcer")
    expect(said).to_have_text("ports: the link for others is on the card.")
    # Whoever has it, without a cookie.
    assert requests.get(link, timeout=30).headers["Content-Type"] == "application/zip"
    _tag(page, "revoke").click()
    expect(_tag(page, "share-link")).to_have_count(0)
    expect(said).to_have_text("ports: all links are revoked.")
    expect(page.get_by_role("heading", name="ports")).to_be_focused()
    refused = requests.get(link, headers={"Accept": "text/html"}, timeout=30)
    assert refused.status_code == 410 and "was revoked" in refused.text
    # Of a minute ago: there is nothing to add to the days that it has.
    held: list[Route] = []
    page.route("**/renew", lambda route: held.append(route))
    with page.expect_request("**/renew"):
        _tag(page, "renew").click()
    _tag(page, "remove").click()
    _tag(page, "remove-yes").press("Enter")
    # The service is at work on the first wish still; the second is not lost.
    expect(_tag(page, "request-row")).to_have_attribute("aria-busy", "true")
    held.pop().continue_()
    expect(_tag(page, "request-state")).to_contain_text("No longer kept")
    expect(said).to_contain_text("ports: No longer kept")
    expect(_tag(page, "download")).to_have_count(0)
    expect(page.get_by_role("heading", name="ports")).to_be_focused()


def test_card_whose_cookie_is_gone_says_so(page: Page, working_site: RunningSite) -> None:
    _open(page, working_site, f"layers=ports&{SOUTH_WEST}")
    _tag(page, "submit").click()
    expect(_tag(page, "download")).to_have_count(1)
    page.context.clear_cookies()
    _come_back(page)
    expect(_tag(page, "request-state")).to_contain_text("Not shown to this browser any more")
    expect(page.locator("#announcer")).to_contain_text("Not shown to this browser any more")
    for what in ("download", "report", "share", "remove"):
        expect(_tag(page, what)).to_have_count(0)
    # What was asked for is known here, and is asked for anew.
    _tag(page, "askAgain").click()
    expect(_tag(page, "download")).to_have_count(1)
    expect(_tag(page, "request-row")).to_have_count(2)


def test_card_that_no_worker_works_on_says_so(page: Page, drawn_site: RunningSite) -> None:
    _open(page, drawn_site, f"layers=ports&{SOUTH_WEST}")
    _tag(page, "submit").click()
    expect(_tag(page, "request-state")).to_have_text("Waiting")
    # As a worker leaves it that is killed.
    drawn_site.manage(
        "shell",
        "--command",
        "from django.utils import timezone\n"
        "from marinemap.jobs.models import Job\n"
        "now = timezone.now()\n"
        "waiting = Job.objects.filter(status='accepted')\n"
        "waiting.update(status='running', progress=0, updated_at=now, alive_at=now)\n",
    )
    _come_back(page)
    expect(_tag(page, "request-state")).to_contain_text("Interrupted: no worker is there")
    expect(page.get_by_role("progressbar")).to_have_count(0)


def _come_back(page: Page) -> None:
    """Have the page look again, as for a person who comes back to its tab."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_request_is_changed_and_asked_again(page: Page, drawn_site: RunningSite) -> None:
    _open(page, drawn_site, f"layers=reefs&{SOUTH_WEST}&format=csv&mode=intersects&crs=EPSG:3857")
    _tag(page, "submit").click()
    _tag(page, "cancel").press("Enter")
    expect(_tag(page, "request-state")).to_have_text("Cancelled")
    expect(page.get_by_role("heading", name="reefs")).to_be_focused()
    _tag(page, "askAgain").click()
    expect(_tag(page, "request-row")).to_have_count(2)
    # A card reads what was asked for when it is shown, and says so until it knows.
    expect(_tag(page, "request-choices")).to_have_text([re.compile("^CSV .* whole features")] * 2)
    choices = _tag(page, "request-choices").all_inner_texts()
    assert choices[0] == choices[1]
    # Another form by now: the card brings back its own.
    _open(page, drawn_site, "layers=ports")
    _tag(page, "change").last.click()
    expect(_tag(page, "layer-reefs")).to_be_checked()
    expect(_tag(page, "layer-ports")).not_to_be_checked()
    expect(_tag(page, "format")).to_have_value("csv")
    expect(page.get_by_role("radio", name="Keep them whole")).to_be_checked()
    expect(_tag(page, "crs")).to_have_value("EPSG:3857")
    expect(page).to_have_url(re.compile("area=0,40,5,45"))
    _tag(page, "submit").click()
    expect(_tag(page, "request-row")).to_have_count(3)
    expect(_tag(page, "request-choices")).to_have_text([choices[0]] * 3)


def test_part_of_a_layer_is_chosen_among_values_that_exist(
    page: Page, working_site: RunningSite
) -> None:
    _open(page, working_site, f"layers=reefs&{SOUTH_WEST}")
    expect(_tag(page, "more-said")).to_have_text("all fields and features")
    _tag(page, "more").locator("summary").first.click()
    _tag(page, "no-fields-reefs").click()
    _tag(page, "field-reefs-name").check()
    _tag(page, "add-condition-reefs").press("Enter")
    expect(_tag(page, "condition-field-reefs-0")).to_be_focused()
    _tag(page, "condition-field-reefs-0").select_option("habitat_class")
    # Each value with how often it comes; nothing can be sent until one is chosen.
    expect(_tag(page, "submit-reason")).to_contain_text("Complete the conditions for reefs")
    expect(_tag(page, "part-reefs").locator(".count")).to_have_text(["25"] * 4)
    page.get_by_role("checkbox", name="class 1").check()
    _tag(page, "mode-within").check()
    _tag(page, "full-copy").uncheck()
    expect(_tag(page, "estimate-text")).to_contain_text("5 features")
    _expect_part(page)
    expect(page).to_have_url(re.compile("mode=within&parts=.*&copy=no"))
    page.reload()
    _expect_part(page)
    _tag(page, "submit").click()
    card = _tag(page, "request-choices")
    for words in ("1 field, where habitat_class is class 1", "lies wholly within"):
        expect(card).to_contain_text(words)
    files = _files(page, working_site)
    # dBase III: how many records, and the names of fields in the header.
    assert int.from_bytes(files["reefs.dbf"][4:8], "little") == 5
    assert b"habitat" not in files["reefs.dbf"]
    assert not [name for name in files if name.endswith(".gpkg")]
    # Another form by now: the card brings back its own, whole.
    _open(page, working_site, "layers=ports")
    _tag(page, "change").click()
    _expect_part(page)
    expect(_tag(page, "banner")).to_be_hidden()


def test_condition_is_completed_before_it_counts(page: Page, working_site: RunningSite) -> None:
    _open(page, working_site, f"layers=reefs&{SOUTH_WEST}")
    _tag(page, "more").locator("summary").first.click()
    for _ in range(2):
        _tag(page, "add-condition-reefs").click()
    _tag(page, "condition-field-reefs-0").select_option("depth_m")
    _tag(page, "condition-operator-reefs-0").select_option("is at least")
    _tag(page, "condition-value-reefs-0").fill("1,5")
    expect(_tag(page, "condition-range-reefs-0")).to_have_text("There are 0 to 9.9.")
    _tag(page, "condition-remove-reefs-1").press("Enter")
    expect(_tag(page, "add-condition-reefs")).to_be_focused()
    expect(_tag(page, "submit")).to_be_disabled()
    _tag(page, "condition-value-reefs-0").fill("4")
    expect(_tag(page, "submit")).to_be_enabled()
    expect(_tag(page, "estimate-text")).to_contain_text("5 features")
    expect(_tag(page, "part-said-reefs")).to_have_text("where depth_m is at least 4")


def test_value_is_typed_where_the_values_cannot_be_told(
    page: Page, working_site: RunningSite
) -> None:
    page.route("**/values?*", lambda route: route.fulfill(status=503))
    _open(page, working_site, f"layers=reefs&{SOUTH_WEST}")
    _tag(page, "more").locator("summary").first.click()
    _tag(page, "add-condition-reefs").click()
    _tag(page, "condition-field-reefs-0").select_option("habitat_class")
    expect(page.get_by_text("The values cannot be told now")).to_be_visible()
    _tag(page, "condition-find-reefs-0").fill("class 2")
    _tag(page, "condition-find-reefs-0").press("Enter")
    expect(page.get_by_role("checkbox", name="class 2")).to_be_checked()
    expect(_tag(page, "part-said-reefs")).to_have_text("where habitat_class is class 2")
    expect(_tag(page, "estimate-text")).to_contain_text("features")


def test_request_of_a_program_is_shown_and_taken_over_as_it_was_written(
    page: Page, working_site: RunningSite
) -> None:
    page.goto(working_site.base)
    written = "depth_m > 1 AND name LIKE 'R%'"
    layers = [{"name": "reefs", "filter": written}]
    _ask_as_a_program(page, {"layers": layers, "area": [0, 40, 5, 45]})
    page.reload()
    _tag(page, "change").click()
    _tag(page, "more").locator("summary").first.click()
    expect(_tag(page, "written-reefs")).to_have_value(written)
    expect(_tag(page, "area-size")).to_contain_text("km²")
    _tag(page, "submit").click()
    expect(_tag(page, "download")).to_have_count(2)
    jobs = page.request.get(f"{working_site.base}/api/jobs").json()["jobs"]
    for job in jobs:
        asked = page.request.get(f"{working_site.base}/api/jobs/{job['jobID']}/request").json()
        assert asked["inputs"]["layers"] == layers
    # In metres, of which the page can make no picture; all else is there.
    metres = {"bbox": [1e5, 5e6, 4e5, 5.3e6], "crs": "EPSG:25831"}
    _ask_as_a_program(page, {"layers": ["ports"], "area": metres})
    page.reload()
    expect(_tag(page, "request-choices").first).to_contain_text("bounds in EPSG:25831")
    _tag(page, "change").first.click()
    expect(_tag(page, "problem-area")).to_contain_text("coordinates that this page cannot show")


def _ask_as_a_program(page: Page, inputs: dict[str, Any]) -> None:
    _post(page, "/api/processes/extract/execution", {"inputs": inputs})


def _post(page: Page, address: str, body: dict[str, Any]) -> None:
    status = page.evaluate(
        """async ([address, body]) => (await fetch(address, {
            method: "POST",
            headers: {"Content-Type": "application/json"},
            body: JSON.stringify(body),
        })).status""",
        [address, body],
    )
    assert status == 201


def test_news_of_one_request_draw_no_other_card(page: Page, drawn_site: RunningSite) -> None:
    """With 95 requests the page answered nobody for two minutes: each news drew all of them."""
    page.add_init_script(_COUNT_MOMENTS)
    page.goto(drawn_site.base)
    asked = [{"process": "extract", "inputs": {"layers": ["reefs"], "area": [0, 40, 5, 45]}}] * 40
    _post(page, "/api/batches", {"requests": asked})
    questions: list[str] = []
    page.on("request", lambda request: questions.append(request.url.rpartition("/")[2]))
    page.reload()
    expect(page.locator("[data-testid=request-choices]", has_text="km²")).to_have_count(40)
    assert questions.count("request") == 40
    # One or two a card and drawing; all cards at each news were 2,846.
    assert page.evaluate("window.moments") < 1000


_COUNT_MOMENTS = """
    window.moments = 0;
    const format = Object.getOwnPropertyDescriptor(Intl.DateTimeFormat.prototype, "format");
    Object.defineProperty(Intl.DateTimeFormat.prototype, "format", {...format, get() {
        window.moments += 1;
        return format.get.call(this);
    }});
    for (const name of ["toLocaleTimeString", "toLocaleDateString"]) {
        const write = Date.prototype[name];
        Date.prototype[name] = function (...how) {
            window.moments += 1;
            return write.apply(this, how);
        };
    }
"""


def test_request_is_followed_where_no_stream_comes_through(
    page: Page, working_site: RunningSite
) -> None:
    streams: list[str] = []

    def refuse(route: Route) -> None:
        streams.append(route.request.url)
        route.fulfill(status=429)

    page.route("**/api/jobs/events", refuse)
    _open(page, working_site, f"layers=ports&{SOUTH_WEST}")
    _tag(page, "submit").click()
    expect(_tag(page, "download")).to_have_count(1)
    assert streams


def test_other_tab_shows_what_was_asked_for_in_this_one(
    page: Page, drawn_site: RunningSite
) -> None:
    other = page.context.new_page()
    other.goto(drawn_site.base)
    _open(page, drawn_site, f"layers=ports&{SOUTH_WEST}")
    _tag(page, "submit").click()
    expect(other.get_by_test_id("request-row")).to_have_count(1)
    _tag(page, "cancel").click()
    expect(other.get_by_test_id("request-state")).to_have_text("Cancelled")


def test_person_who_wishes_is_notified_of_what_is_ready(
    page: Page, working_site: RunningSite
) -> None:
    page.context.grant_permissions(["notifications"])
    # What a desktop would show is written down, and shown all the same; nobody looks at the page.
    page.add_init_script("""
        window.shown = [];
        window.Notification = class extends Notification {
            constructor(title, options) {
                super(title, options);
                shown.push([title, options.body]);
            }
        };
        document.hasFocus = () => false;
    """)
    _open(page, working_site, f"layers=ports&{SOUTH_WEST}")
    _tag(page, "notify").check()
    # The request is done sooner than the page is told what it was for.
    held: list[Route] | None = []

    def hold(route: Route) -> None:
        route.continue_() if held is None else held.append(route)

    page.route("**/request", hold)
    _tag(page, "submit").click()
    expect(_tag(page, "download")).to_have_count(1)
    so_far, held = held, None
    for route in so_far:
        route.continue_()
    shown: list[Any] = wait_for(lambda: page.evaluate("shown"), "a notification")
    assert len(shown) == 1 and shown[0][0] == "ports"
    assert shown[0][1].startswith("Ready, kept until")
    page.reload()
    expect(_tag(page, "notify")).to_be_checked()


def test_letter_is_asked_for_with_the_request(page: Page, working_site: RunningSite) -> None:
    _open(page, working_site, f"layers=ports&{SOUTH_WEST}")
    _tag(page, "letter").check()
    expect(_tag(page, "submit")).to_be_disabled()
    expect(_tag(page, "submit-reason")).to_contain_text("Type your e-mail address")
    _tag(page, "email").fill("ann@-")
    _tag(page, "submit").click()
    expect(_tag(page, "email")).to_have_attribute("aria-invalid", "true")
    expect(_tag(page, "problem-letters")).to_contain_text("Not an e-mail address")
    _tag(page, "email").fill("ann@example.org")
    with page.expect_response("**/execution") as told:
        _tag(page, "submit").click()
    assert told.value.status == 201
    assert told.value.request.post_data_json["notify"] == {"email": "ann@example.org"}
    page.reload()
    expect(_tag(page, "email")).to_have_value("ann@example.org")


def test_failed_request_says_why_in_the_readers_language(
    german_page: Page, working_site: RunningSite
) -> None:
    page, asked = german_page, list[str]()
    page.on("request", lambda each: each.url.endswith("/results") and asked.append(each.url))
    # The service has no time for it: the card says what it knows.
    page.route("**/results", lambda route: route.fulfill(status=503, json={"detail": "busy"}))
    _open(page, working_site, "layers=reefs,ports,coastline&area=-1,39,11,51")
    expect(_tag(page, "estimate-notes")).to_contain_text("Das hätte über 209 Objekte, mehr")
    with page.expect_request("**/results"):
        _tag(page, "submit").click()
    state = _tag(page, "request-state")
    english = "the extract has over 209 features, the most that this site allows one request"
    expect(state).to_have_text(re.compile(f"^Fehlgeschlagen: features: {english}"))
    expect(state.locator("span")).to_have_attribute("lang", "en")
    page.unroute("**/results")
    _open(page, working_site, f"layers=ports&{SOUTH_WEST}")
    german = re.compile(r"^Fehlgeschlagen: Der Auszug hat über 209 Objekte, mehr erlaubt .+\.$")
    expect(state).to_have_text(german)
    expect(state.locator("span")).to_have_attribute("lang", "de")
    # News of all requests, and another that does not fail: nothing is asked again.
    _tag(page, "submit").click()
    expect(_tag(page, "download")).to_have_count(1)
    for _ in range(2):
        with page.expect_response("**/api/jobs?*"):
            page.evaluate("new BroadcastChannel('marinemap.requests').postMessage('')")
    expect(state).to_have_text([re.compile("^Fertig"), german])
    assert len(asked) == 2


def test_double_click_asks_once_and_does_nothing_else(
    page: Page, working_site: RunningSite
) -> None:
    asked: list[str] = []
    page.on("request", lambda each: each.url.endswith("extract/execution") and asked.append("1"))
    _open(page, working_site, f"layers=ports&{SOUTH_WEST}")
    _tag(page, "submit").click()
    expect(_tag(page, "request-row")).to_have_count(1)
    _tag(page, "format").select_option("csv")
    # The answer was quick: the second click of the two meets the button anew, or the card.
    for name in ("submit", "change"):
        _tag(page, name).hover()
        page.mouse.down(click_count=2)
        page.mouse.up(click_count=2)
    expect(_tag(page, "format")).to_have_value("csv")
    _tag(page, "change").click()
    expect(_tag(page, "format")).to_have_value("shapefile")
    assert len(asked) == 1


def test_card_is_right_by_a_wrong_clock_on_a_phone_without_tls(
    page: Page, working_site: RunningSite
) -> None:
    # A month ahead; notifications that only look as if they could be; no clipboard.
    page.add_init_script("""
        const Right = Date, ahead = 30 * 86_400_000;
        Date = class extends Right {
            constructor(...given) { given.length ? super(...given) : super(Right.now() + ahead); }
            static now() { return Right.now() + ahead; }
        };
        window.Notification = class {
            static permission = "granted";
            constructor() { throw new TypeError("Illegal constructor"); }
        };
        localStorage.setItem("marinemap.notify", "true");
        document.hasFocus = () => false;
        Object.defineProperty(navigator, "clipboard", {value: undefined});
    """)
    _open(page, working_site, f"layers=ports&{SOUTH_WEST}")
    _tag(page, "submit").click()
    expect(_tag(page, "request-state")).to_contain_text("Ready, kept until")
    _tag(page, "share").click()
    _tag(page, "share-link").get_by_role("button", name="Copy").click()
    expect(_tag(page, "share-link").get_by_role("button", name="Copied")).to_be_visible()


def test_tab_that_nobody_sees_keeps_no_connection_and_hears_of_the_end(
    page: Page, drawn_site: RunningSite
) -> None:
    # Six open streams, in six tabs, would be all connections that a browser has for this host.
    page.add_init_script("""
        window.streams = [];
        const Whole = EventSource;
        window.EventSource = class extends Whole {
            constructor(url) { super(url); streams.push(this); }
        };
        window.look = (isHidden) => {
            Object.defineProperty(document, "hidden", {value: isHidden, configurable: true});
            document.dispatchEvent(new Event("visibilitychange"));
        };
    """)
    _open(page, drawn_site, f"layers=ports&{SOUTH_WEST}")
    _tag(page, "submit").click()
    wait_for(lambda: page.evaluate("streams.length > 0"), "a stream")
    page.evaluate("look(true)")
    assert page.evaluate("streams.every((each) => each.readyState === EventSource.CLOSED)")
    job = _tag(page, "request-row").get_attribute("data-job")
    page.request.delete(f"{drawn_site.base}/api/jobs/{job}")
    expect(_tag(page, "request-state")).to_have_text("Cancelled")


def test_name_that_runs_from_right_to_left_turns_no_other(
    page: Page, drawn_site: RunningSite
) -> None:
    drawn_site.manage(
        "shell",
        "--command",
        "from marinemap.catalogue.models import Layer\n"
        "Layer.objects.filter(pk='ports').update(title='a\u202emirrored')\n",
    )
    _open(page, drawn_site, f"layers=ports,reefs&{SOUTH_WEST}")
    _tag(page, "submit").click()
    heading = _tag(page, "request-row").locator("h3")
    expect(heading).to_contain_text("reefs")
    # From where its first letter stands to where its last does.
    span = page.evaluate(
        """(heading) => {
        const at = (node, from) => {
            const range = document.createRange();
            range.setStart(node, from);
            range.setEnd(node, from + 1);
            return range.getBoundingClientRect().x;
        };
        const walker = document.createTreeWalker(heading, NodeFilter.SHOW_TEXT);
        while (walker.nextNode()) {
            const from = walker.currentNode.data.indexOf("reefs");
            if (from >= 0) return at(walker.currentNode, from + 4) - at(walker.currentNode, from);
        }
    }""",
        heading.element_handle(),
    )
    assert span > 0


def _expect_part(page: Page) -> None:
    expect(_tag(page, "more-said")).to_have_text(
        "reefs: 1 of 4 fields, where habitat_class is class 1; no full copy"
    )
    expect(_tag(page, "mode-within")).to_be_checked()
    expect(_tag(page, "full-copy")).not_to_be_checked()
    for name in ("reef_id", "name", "habitat_class", "depth_m"):
        is_kept = name == "name"
        expect(_tag(page, f"field-reefs-{name}")).to_be_checked(checked=is_kept)


def _files(page: Page, site: RunningSite) -> dict[str, bytes]:
    address = _tag(page, "download").get_attribute("href")
    assert address
    with zipfile.ZipFile(io.BytesIO(page.request.get(site.base + address).body())) as archive:
        return {name.rpartition("/")[2]: archive.read(name) for name in archive.namelist()}


def _expect_four(page: Page) -> None:
    expect(_tag(page, "download")).to_have_count(4)
    pictures = page.locator(".area-picture .shape")
    expect(pictures).to_have_count(4)
    expect(page.get_by_text("Reading what was asked for")).to_have_count(0)
    shapes = [picture.get_attribute("d") for picture in pictures.all()]
    choices = _tag(page, "request-choices").all_inner_texts()
    assert len(set(zip(shapes, choices, strict=True))) == 4
    assert len(set(shapes)) == 3


def _open(page: Page, site: RunningSite, choice: str) -> None:
    # A change of the fragment alone is no new page, and one that is open may still write its own.
    page.goto(f"{site.base}/healthz")
    page.goto(f"{site.base}/#map=4/45/5&{choice}")
    expect(page.locator("#layers input:checked")).to_have_count(
        len(choice.partition("&")[0].split(","))
    )


def _tag(page: Page, name: str) -> Locator:
    return page.get_by_test_id(name)
