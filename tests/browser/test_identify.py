"""What is at a place of the map, by a click and by the keyboard."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.running_site import RunningSite, wait_for

pytestmark = pytest.mark.parametrize("prepared", ["sqlite"], indirect=True)


def test_click_reads_the_fields_of_what_is_there(page: Page, drawn_site: RunningSite) -> None:
    page.goto(drawn_site.base)
    _show(page, "reefs", "ports")
    card = _tag(page, "identify")
    # A degree is 53 pixels wide; this port lies in the hole of its reef.
    _read_at(page, right=27, down=-22, layer="ports")
    expect(card.locator("dd")).to_have_text(["55"])
    _read_at(page, right=27, down=-3, layer="reefs")
    expect(card.locator("dt")).to_have_text(["reef_id", "name", "habitat_class", "depth_m"])
    expect(card.locator("dd")).to_have_text(["55", "Récif 55 珊瑚", "class 3", "5.5"])
    _click_map(page, right=0, down=-390)
    expect(card).to_contain_text("Nothing of the ticked layers is here.")


def test_keyboard_reads_what_is_in_the_middle_and_comes_back(
    page: Page, drawn_site: RunningSite
) -> None:
    page.goto(drawn_site.base)
    _show(page, "reefs")
    the_map, card = _tag(page, "map"), _tag(page, "identify")
    the_map.press("ArrowRight")
    # The map glides; Enter reads what is in its middle by then.
    wait_for(lambda: "Récif 57" in _read_middle(page), "reef 57 on the card")
    expect(card).to_be_focused()
    expect(page.get_by_role("region", name="reefs")).to_be_visible()
    card.press("Escape")
    expect(card).to_be_hidden()
    expect(the_map).to_be_focused()
    page.get_by_role("button", name="+").press("Enter")
    expect(card).to_be_hidden()


def test_click_that_draws_asks_nothing(page: Page, drawn_site: RunningSite) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/items/" in request.url else 0)
    page.goto(drawn_site.base)
    _show(page, "reefs")
    _read_at(page, right=27, down=-3, layer="reefs")
    _tag(page, "draw-rectangle").click()
    # Each corner lies on a reef.
    _click_map(page, right=-100, down=-80)
    _click_map(page, right=100, down=80)
    expect(_tag(page, "area-size")).to_contain_text("km²")
    _read_at(page, right=27, down=-3, layer="reefs")
    expect(_tag(page, "identify")).to_contain_text("Récif 55")
    assert len(asked) == 2


def _tag(page: Page, name: str) -> Locator:
    return page.get_by_test_id(name)


def _read_middle(page: Page) -> str:
    """Press Enter on the map; return what its card says once it is read."""
    _tag(page, "map").press("Enter")
    card = _tag(page, "identify")
    expect(card).not_to_contain_text("Reading …")
    return card.inner_text()


def _show(page: Page, *layers: str) -> None:
    """Tick layers and go to them."""
    for layer in layers:
        _tag(page, f"layer-{layer}").check()
    _tag(page, f"about-{layers[0]}").click()
    _tag(page, f"zoom-{layers[0]}").click()
    # The map glides there; the address has its middle once it has come to rest.
    expect(page).to_have_url(re.compile(r"#map=[^/]+/[^/]+/5&"))
    expect(_tag(page, "map-loading")).to_be_hidden()


def _read_at(page: Page, right: int, down: int, layer: str) -> None:
    """Click on a feature until its layer is drawn there, and what is found is read."""
    card = _tag(page, "identify")

    def is_read() -> bool:
        if card.is_visible():
            card.press("Escape")
        expect(card).to_be_hidden()
        _click_map(page, right, down)
        try:
            # Not before it is known to be a single click; one soon after another is half of a
            # double one, wherever that was, and reads nothing.
            expect(card).to_be_visible(timeout=10_000)
        except AssertionError:
            return False
        expect(card).not_to_contain_text("Reading …")
        return layer in card.inner_text()

    wait_for(is_read, f"a feature of {layer} on the card")


def _click_map(page: Page, right: int, down: int) -> None:
    """Click so many pixels from the middle of the map."""
    frame = _tag(page, "map").bounding_box()
    assert frame is not None
    page.mouse.click(frame["width"] / 2 + right, frame["y"] + frame["height"] / 2 + down)
