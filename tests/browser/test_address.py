"""The page's address: kept over a reload, given to a colleague, harmless when it is damaged."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.running_site import RunningSite, wait_for

# What stands in the form, as a screen reader meets it: pictures differ by a machine's own fonts.
STRUCTURE = Path(__file__).parent / "form.yaml"
pytestmark = pytest.mark.parametrize("prepared", ["sqlite"], indirect=True)


def test_reload_and_a_colleague_see_the_same(page: Page, drawn_site: RunningSite) -> None:
    page.goto(drawn_site.base)
    page.get_by_text("Type coordinates instead").click()
    for side, degrees in {"west": 175, "south": 40, "east": -175, "north": 43}.items():
        _tag(page, f"bound-{side}").fill(str(degrees))
    _tag(page, "use-bounds").click()
    _tag(page, "layer-reefs").check()
    _tag(page, "layer-ports").check()
    _tag(page, "format").select_option("geopackage")
    page.get_by_role("radio", name="Keep them whole").check()
    _tag(page, "crs").select_option("other")
    _tag(page, "crs-code").fill("3832")
    expect(page).to_have_url(re.compile("crs=EPSG:3832"))
    size, address = _tag(page, "area-size").inner_text(), page.url
    assert address.rpartition("#map=")[2].partition("&")[2] == (
        "layers=ports,reefs&area=175,40,185,43&format=geopackage&mode=intersects&crs=EPSG:3832"
    )
    page.reload()
    _expect_all(page, size)
    # Another browser has neither cookie nor memory of this one.
    browser = page.context.browser
    assert browser is not None
    colleague = browser.new_context().new_page()
    colleague.goto(address)
    _expect_all(colleague, size)
    # The way past the map is an address, too; that of what is chosen may be written right after.
    colleague.evaluate(
        "window.been = []; addEventListener('hashchange', (event) => been.push(event.newURL))"
    )
    colleague.keyboard.press("Tab")
    colleague.keyboard.press("Enter")
    colleague.wait_for_function("been.some((address) => address.endsWith('#order'))")
    _expect_all(colleague, size)


def test_damaged_address_does_no_harm(page: Page, drawn_site: RunningSite) -> None:
    odd = "#map=9/99/x&layers=%00,<img src=x>,wrecks,ports&area=1,2;3&format=nope&crs=EPSG:1&%E0"
    page.goto(drawn_site.base + "/" + odd)
    expect(_tag(page, "layer-ports")).to_be_checked()
    strange = _tag(page, "problem-layers")
    expect(strange).to_have_text("The address names layers that are not here: wrecks.")
    # A text may be there and not be seen.
    expect(strange).to_be_visible()
    expect(_tag(page, "problem-format")).to_have_text("There is no format “nope” here. Choose one.")
    expect(_tag(page, "problem-format")).to_be_visible()
    expect(_tag(page, "area-size")).to_have_text("No area yet.")
    expect(_tag(page, "format")).to_have_value("shapefile")
    expect(_tag(page, "crs")).to_have_value("")
    # What was odd is gone from it.
    expect(page).to_have_url(re.compile("#map=[^&]*&layers=ports$"))


def test_what_cannot_be_read_of_an_address_is_told(page: Page, drawn_site: RunningSite) -> None:
    page.goto(f"{drawn_site.base}/#layers=ports&area=0,40;5,45;6&crs=EPSG:&parts=%5B%7B")
    expect(_tag(page, "problem-area")).to_contain_text("cannot be read")
    expect(_tag(page, "problem-crs")).to_contain_text("cannot be read")
    expect(_tag(page, "problem-more")).to_contain_text("cannot be read")
    page.evaluate("location.hash = '#layers=ports&layer=reefs&zoom=5'")
    expect(_tag(page, "banner")).to_contain_text("passed over: layer, zoom.")
    page.evaluate("location.hash = '#layers=ports&area=ports:nowhere'")
    expect(_tag(page, "problem-area")).to_contain_text("is not here any more")
    # One from a file is there, but for another browser.
    page.evaluate("location.hash = '#layers=ports&area=5f0f6a52-1c0e-4a27-9a43-0c9d4c6f7a11'")
    expect(_tag(page, "problem-area")).to_contain_text("for the browser that it was chosen in")
    page.evaluate("location.hash = '#layers=ports&mode=cut'")
    expect(_tag(page, "problem-format")).to_contain_text("the edge of the area cannot be read")
    # Told before it is sent, as all else.
    page.evaluate("location.hash = '#layers=ports&area=-200,10;200,10;0,50'")
    expect(_tag(page, "problem-area")).to_contain_text("around the world more than once")
    page.evaluate("location.hash = '#layers=ports&area=0,40,5,45'")
    expect(_tag(page, "problem-area")).to_be_hidden()


def test_address_that_was_just_given_is_not_written_over(
    page: Page, drawn_site: RunningSite
) -> None:
    """What was chosen before is written after a while, which may end before the new one is read."""
    # Timers as they are, and each to be had early as well: when one ends is chance.
    page.add_init_script(
        """const begin = window.setTimeout;
        window.begun = [];
        window.setTimeout = (work, ...more) => {
            window.begun.push(work);
            return begin(work, ...more);
        };"""
    )
    page.goto(f"{drawn_site.base}/#map=5/45/5&layers=reefs")
    expect(_tag(page, "layer-reefs")).to_be_checked()
    page.evaluate(
        """() => {
            const before = window.begun.length;
            document.querySelector("[data-testid=layer-ports]").click();
            location.hash = "#layers=ports&area=0,40,5,45";
            for (const work of window.begun.slice(before)) work();
        }"""
    )
    expect(page).to_have_url(re.compile("&layers=ports&area=0,40,5,45$"))
    expect(_tag(page, "layer-reefs")).not_to_be_checked()


def test_way_back_from_another_page_changes_no_choice(page: Page, drawn_site: RunningSite) -> None:
    page.goto(f"{drawn_site.base}/#map=5/45/5&layers=reefs&area=0,40,5,45")
    expect(_tag(page, "estimate-text")).to_contain_text("25 features")
    page.goto(f"{drawn_site.base}/api/")
    page.go_back()
    expect(_tag(page, "estimate-text")).to_contain_text("25 features")
    # Browsers put back what they take for the same boxes.
    expect(_tag(page, "full-copy")).to_be_checked()
    assert "copy=" not in page.url


def test_coordinate_system_is_found_by_its_name(page: Page, drawn_site: RunningSite) -> None:
    page.goto(f"{drawn_site.base}/#map=5/45/5&layers=reefs&area=1,40,5,45")
    expect(_tag(page, "estimate-text")).to_contain_text("features")
    _tag(page, "crs").select_option("other")
    code = page.get_by_role("combobox", name="Name, place or EPSG code")
    code.focus()
    options = _tag(page, "crs-names").get_by_role("option")
    # Those that fit the area are there before a letter is typed.
    expect(options).to_have_count(8)
    expect(options.first).not_to_contain_text("not made for your area")
    code.fill("lambert-93")
    expect(options.first).to_contain_text("RGF93 v1 / Lambert-93")
    code.fill("greek grid")
    expect(options.first).to_contain_text("not made for your area")
    code.press("ArrowDown")
    code.fill("utm 31n")
    expect(options.first).to_contain_text("WGS 84 / UTM zone 31N (EPSG:32631)")
    code.press("Enter")
    expect(options).to_have_count(0)
    expect(code).to_have_accessible_description(re.compile("^WGS 84 / UTM zone 31N"))
    expect(page).to_have_url(re.compile("crs=EPSG:32631"))


def test_form_is_built_as_it_was(page: Page, drawn_site: RunningSite) -> None:
    page.goto(f"{drawn_site.base}/#map=5/45/5&layers=reefs")
    expect(_tag(page, "layer-reefs")).to_be_checked()
    _tag(page, "more").locator("summary").first.click()
    _tag(page, "add-condition-reefs").click()
    _tag(page, "condition-field-reefs-0").select_option("depth_m")
    expect(_tag(page, "go-reefs")).to_be_hidden()
    expect(_tag(page, "condition-range-reefs-0")).to_be_visible()
    if os.environ.get("UPDATE_STRUCTURE"):
        STRUCTURE.write_text(_structure(page))
    # A change is a decision: with UPDATE_STRUCTURE=1 this test writes it down.
    with suppress(AssertionError):
        wait_for(lambda: _structure(page) == STRUCTURE.read_text(), "the form as it was")
    assert _structure(page) == STRUCTURE.read_text()


def _structure(page: Page) -> str:
    return page.locator("#order").aria_snapshot() + "\n"


def _expect_all(page: Page, size: str) -> None:
    for layer in ("reefs", "ports"):
        expect(_tag(page, f"layer-{layer}")).to_be_checked()
    expect(_tag(page, "layer-coastline")).not_to_be_checked()
    expect(_tag(page, "area-size")).to_have_text(size)
    expect(_tag(page, "format")).to_have_value("geopackage")
    expect(page.get_by_role("radio", name="Keep them whole")).to_be_checked()
    expect(_tag(page, "crs-code")).to_have_value("3832")
    expect(_tag(page, "crs-code")).to_be_visible()


def _tag(page: Page, name: str) -> Locator:
    return page.get_by_test_id(name)
