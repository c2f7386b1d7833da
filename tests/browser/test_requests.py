"""Requests as cards: told apart, followed, fetched, shared, asked again."""

from __future__ import annotations

import re
from typing import Any

import pytest
import requests
from playwright.sync_api import Locator, Page, Route, expect

from tests.running_site import RunningSite

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
    # Whoever has it, without a cookie.
    assert requests.get(link, timeout=30).headers["Content-Type"] == "application/zip"
    _tag(page, "revoke").click()
    expect(_tag(page, "share-link")).to_have_count(0)
    expect(page.get_by_role("heading", name="ports")).to_be_focused()
    refused = requests.get(link, headers={"Accept": "text/html"}, timeout=30)
    assert refused.status_code == 410 and "was revoked" in refused.text
    # Of a minute ago: there is nothing to add to the days that it has.
    _tag(page, "renew").click()
    expect(_tag(page, "request-state")).to_contain_text("Ready, kept until")
    _tag(page, "remove").click()
    _tag(page, "remove-yes").press("Enter")
    expect(_tag(page, "request-state")).to_contain_text("No longer kept")
    expect(_tag(page, "download")).to_have_count(0)
    expect(page.get_by_role("heading", name="ports")).to_be_focused()


def test_request_is_changed_and_asked_again(page: Page, drawn_site: RunningSite) -> None:
    _open(page, drawn_site, f"layers=reefs&{SOUTH_WEST}&format=csv&mode=intersects&crs=EPSG:3857")
    _tag(page, "submit").click()
    _tag(page, "cancel").press("Enter")
    expect(_tag(page, "request-state")).to_have_text("Cancelled")
    expect(page.get_by_role("heading", name="reefs")).to_be_focused()
    _tag(page, "askAgain").click()
    expect(_tag(page, "request-row")).to_have_count(2)
    choices = _tag(page, "request-choices").all_inner_texts()
    assert choices[0] == choices[1] != ""
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
    assert len(set(_tag(page, "request-choices").all_inner_texts())) == 1


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
    _tag(page, "submit").click()
    expect(_tag(page, "download")).to_have_count(1)
    shown: list[Any] = page.evaluate("shown")
    assert len(shown) == 1 and shown[0][0] == "ports"
    assert shown[0][1].startswith("Ready, kept until")
    page.reload()
    expect(_tag(page, "notify")).to_be_checked()


def _expect_four(page: Page) -> None:
    expect(_tag(page, "download")).to_have_count(4)
    pictures = page.locator(".area-picture .shape")
    expect(pictures).to_have_count(4)
    shapes = [picture.get_attribute("d") for picture in pictures.all()]
    choices = _tag(page, "request-choices").all_inner_texts()
    assert len(set(zip(shapes, choices, strict=True))) == 4
    assert len(set(shapes)) == 3


def _open(page: Page, site: RunningSite, choice: str) -> None:
    page.goto(f"{site.base}/#map=4/45/5&{choice}")
    # A change of the fragment alone is no new page.
    page.reload()
    expect(page.locator("#layers input:checked")).to_have_count(
        len(choice.partition("&")[0].split(","))
    )


def _tag(page: Page, name: str) -> Locator:
    return page.get_by_test_id(name)
