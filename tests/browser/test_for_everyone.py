"""For everyone: by keyboard alone, small, large, dark, in forced colours, judged by axe."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import FloatRect, Locator, Page, Route, expect

from tests.browser.conftest import assert_sound, copy_layer
from tests.running_site import RunningSite

pytestmark = pytest.mark.parametrize("prepared", ["sqlite"], indirect=True)

MOST_KEYS = 40
# As people who measure pages have it: shares of the screen that jump.
MOST_SHIFT = 0.02
PHONE = {"width": 390, "height": 780}


def test_no_state_of_the_page_breaks_a_rule(
    page: Page, working_site: RunningSite, axe: str
) -> None:
    # The policy forbids scripts of others; the driver's are none of the page's.
    page.add_init_script(axe)
    page.goto(f"{working_site.base}/#map=4/45/5")
    expect(_tag(page, "layer-reefs")).to_be_visible()
    assert_sound(page, "arrival")
    _tag(page, "area-name").fill("x")
    expect(_tag(page, "area-names")).to_be_visible()
    assert_sound(page, "area searched")
    _tag(page, "area-name").press("Escape")
    _tag(page, "about-reefs").click()
    _tag(page, "draw-polygon").click()
    assert_sound(page, "drawing, a layer described")
    page.goto(f"{working_site.base}/#map=4/45/5&layers=reefs,ports&area=0.1,40.1,0.3,40.3")
    page.reload()
    expect(_tag(page, "estimate-text")).to_contain_text("1 feature")
    _tag(page, "estimate-details").locator("summary").click()
    _tag(page, "more").locator("summary").first.click()
    _tag(page, "part-reefs").locator("summary").click()
    _tag(page, "add-condition-reefs").click()
    _tag(page, "condition-field-reefs-0").select_option("habitat_class")
    expect(page.get_by_role("checkbox", name="class 1")).to_be_visible()
    assert_sound(page, "fields and features chosen")
    _tag(page, "condition-remove-reefs-0").click()
    _tag(page, "submit").click()
    _tag(page, "report").locator("summary").click()
    _tag(page, "share").click()
    expect(_tag(page, "share-link")).to_be_visible()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert_sound(page, f"request ready, {scheme}")
    page.emulate_media(color_scheme="light", forced_colors="active")
    assert_sound(page, "forced colours")
    page.emulate_media(forced_colors="none")
    page.set_viewport_size(PHONE)
    assert_sound(page, "phone")
    _tag(page, "crs").select_option("other")
    _tag(page, "crs-code").fill("9999")
    expect(_tag(page, "problem-crs")).to_be_visible()
    assert_sound(page, "problem beside its field")


def test_page_is_german_from_arrival_to_the_download(
    german_page: Page, working_site: RunningSite
) -> None:
    page = german_page
    page.goto(f"{working_site.base}/#map=4/45/5")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(_tag(page, "layer-reefs")).to_be_visible()
    _assert_german(page)
    page.goto(f"{working_site.base}/#map=4/45/5&layers=reefs,ports&area=0.1,40.1,0.3,40.3")
    page.reload()
    expect(_tag(page, "area-size")).to_have_text(re.compile(r"^Gebiet: [\d.,\s]+ km²$"))
    expect(_tag(page, "estimate-text")).to_contain_text("1 Objekt, etwa")
    _tag(page, "about-reefs").click()
    _tag(page, "draw-circle").click()
    _assert_german(page)
    _tag(page, "stop-drawing").click()
    _tag(page, "submit").click()
    expect(_tag(page, "download")).to_contain_text("Herunterladen (")
    _tag(page, "report").locator("summary").click()
    _tag(page, "share").click()
    expect(_tag(page, "share-link")).to_be_visible()
    _tag(page, "crs").select_option("other")
    _tag(page, "crs-code").fill("9999")
    expect(_tag(page, "problem-crs")).to_be_visible()
    expect(_tag(page, "problem-crs")).not_to_have_attribute("lang", "en")
    _assert_german(page)


def test_pages_of_the_api_are_german_for_a_german_browser(
    german_page: Page, working_site: RunningSite
) -> None:
    for path in ("", "collections/reefs", "collections/reefs/items", "jobs", "openapi.html"):
        answer = german_page.goto(f"{working_site.base}/api/{path}")
        assert answer is not None and answer.headers["content-language"] == "de"
        _assert_german(german_page)


def test_pages_of_the_api_are_read_on_a_phone(page: Page, working_site: RunningSite) -> None:
    page.set_viewport_size({"width": 360, "height": 700})
    for path in ("", "collections/reefs", "collections/reefs/items?limit=3", "jobs"):
        page.goto(f"{working_site.base}/api/{path}{'&' if '?' in path else '?'}f=html")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
        # A word of ten letters in a line of its own is wider than it is high.
        narrow = page.locator("th").evaluate_all(
            "all => all.filter(th => th.textContent.trim().length > 4 &&"
            " th.clientWidth < th.clientHeight).map(th => th.textContent)"
        )
        assert narrow == [], path


def test_keyboard_alone_leads_from_arrival_to_the_download(
    page: Page, working_site: RunningSite
) -> None:
    copy_layer(working_site, "ports", 17)
    page.goto(working_site.base)
    expect(page.locator("#layers .layer-title")).to_have_count(20)
    keys = _Keys(page)
    keys.press("Tab")
    # Past the map, to the form.
    keys.press("Enter")
    keys.until("use-view")
    keys.press("Enter")
    keys.until_first_layer()
    keys.press("Space")
    # Enter in a box sends the form.
    keys.press("Enter")
    download = _tag(page, "download")
    expect(download).to_be_visible()
    keys.until("download")
    with page.expect_download() as taken:
        keys.press("Enter")
    assert taken.value.suggested_filename.endswith(".zip")
    assert keys.count <= MOST_KEYS


def test_one_of_sixty_layers_is_found_and_those_in_the_area_come_first(
    page: Page, drawn_site: RunningSite, tmp_path: Path
) -> None:
    square = {"type": "Polygon", "coordinates": [[[60, 1], [61, 1], [61, 2], [60, 1]]]}
    (tmp_path / "atolls.geojson").write_text(json.dumps(square))
    drawn_site.manage("addlayer", "atolls", tmp_path / "atolls.geojson", "--title", "Atolls")
    copy_layer(drawn_site, "reefs", 56)
    page.goto(drawn_site.base)
    rows = page.locator("#layers > li")
    expect(rows).to_have_count(60)
    expect(rows.first).to_contain_text("Atolls")
    page.get_by_text("Type coordinates instead").click()
    for side, degrees in {"west": 0, "south": 40, "east": 5, "north": 45}.items():
        _tag(page, f"bound-{side}").fill(str(degrees))
    _tag(page, "bound-north").press("Enter")
    expect(rows.last).to_contain_text("Atolls")
    search = _tag(page, "layer-search")
    search.fill("copy 07")
    expect(page.locator("#layers > li:visible")).to_have_count(1)
    expect(page.get_by_text("1 of 60 layers")).to_be_visible()
    _tag(page, "layer-copy_07").check()
    # The way to the layer is offered until the map has come to the area.
    expect(_tag(page, "go-copy_07")).to_be_hidden()
    search.fill("ÁTOLL")
    search.press("Enter")
    # What is ticked is asked for, and stays in sight.
    expect(page.locator("#layers > li:visible")).to_have_count(2)
    search.press("Tab")
    expect(_tag(page, "layer-copy_07")).to_be_focused()
    page.keyboard.press("Tab")
    expect(_tag(page, "about-copy_07")).to_be_focused()
    page.keyboard.press("Tab")
    expect(_tag(page, "layer-atolls")).to_be_focused()


def test_the_keyboard_stays_when_the_map_comes_to_the_layer(
    page: Page, drawn_site: RunningSite
) -> None:
    page.goto(f"{drawn_site.base}/#map=1/45/5&layers=reefs")
    way = _tag(page, "go-reefs")
    way.focus()
    page.evaluate("location.hash = '#map=5/45/5&layers=reefs'")
    expect(way).to_be_hidden()
    expect(_tag(page, "layer-reefs")).to_be_focused()


@pytest.mark.parametrize(
    "size", [(390, 780), (780, 390), (640, 400), (320, 256)], ids=lambda size: f"{size[0]}"
)
def test_nothing_runs_out_of_a_small_screen(
    page: Page, drawn_site: RunningSite, size: tuple[int, int]
) -> None:
    # 640 and 320 are what a screen of 1,280 is at 200 and 400 %.
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.goto(f"{drawn_site.base}/#map=4/45/5&layers=reefs&area=0,40,5,45")
    expect(_tag(page, "estimate-text")).to_contain_text("25 features")
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    submit = _tag(page, "submit")
    submit.scroll_into_view_if_needed()
    frame = submit.bounding_box()
    assert frame is not None and frame["x"] >= 0 and frame["x"] + frame["width"] <= size[0]
    # What sticks to the foot leaves room for the rest.
    covered = page.locator(".submit").bounding_box()
    assert covered is not None and covered["height"] <= 0.6 * size[1]


def test_map_stays_where_the_form_is_longer_than_the_window(
    page: Page, drawn_site: RunningSite
) -> None:
    page.set_viewport_size({"width": 1280, "height": 600})
    page.goto(f"{drawn_site.base}/#map=4/45/5&layers=reefs&area=0,40,5,45")
    expect(_tag(page, "estimate-text")).to_contain_text("25 features")
    assert page.evaluate("document.querySelector('.panel').scrollHeight") > 600
    assert page.evaluate("document.documentElement.scrollHeight") == 600
    # On paper what would scroll is there as a whole, below the map.
    page.emulate_media(media="print")
    assert page.evaluate("""() => {
        const {bottom} = document.querySelector(".map-pane").getBoundingClientRect();
        const panel = document.querySelector(".panel");
        return panel.scrollHeight === panel.clientHeight && panel.offsetTop >= bottom;
    }""")


def test_nothing_that_is_seen_moves_while_the_page_arrives(
    page: Page, drawn_site: RunningSite
) -> None:
    # A service that takes longer than two seconds is not what is tested.
    page.add_init_script("""
        const later = setTimeout;
        window.setTimeout = (call, wait, ...given) => wait === 2000 || later(call, wait, ...given);
        window.shift = 0;
        new PerformanceObserver((list) => {
            for (const entry of list.getEntries()) window.shift += entry.value;
        }).observe({type: "layout-shift", buffered: true});
    """)
    # The form is half of it.
    page.set_viewport_size({"width": 820, "height": 800})
    page.goto(drawn_site.base)
    expect(_tag(page, "layer-reefs")).to_be_visible()
    expect(_tag(page, "format")).to_be_visible()
    expect(_tag(page, "format-about")).not_to_be_empty()
    page.evaluate("() => new Promise(requestAnimationFrame)")
    assert page.evaluate("shift") <= MOST_SHIFT


def test_map_stands_still_for_who_wants_no_motion(page: Page, drawn_site: RunningSite) -> None:
    page.emulate_media(reduced_motion="reduce")
    page.goto(drawn_site.base)
    _tag(page, "about-reefs").click()
    scales = page.evaluate("""async () => {
        const before = location.hash, seen = new Set();
        document.querySelector('[data-testid="zoom-reefs"]').click();
        while (location.hash === before) {
            seen.add(document.querySelector(".ol-scale-line-inner").outerHTML);
            await new Promise(requestAnimationFrame);
        }
        return seen.size;
    }""")
    # That of before and that of after; one that glides passes through many.
    assert scales <= 2
    expect(page.locator(".ol-scale-line-inner")).to_have_css("transition-duration", "0s")
    assert page.evaluate("document.getAnimations().length") == 0


def test_page_is_mirrored_for_who_writes_from_right_to_left(
    page: Page, drawn_site: RunningSite
) -> None:
    def mirror(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().replace('dir="ltr"', 'dir="rtl"'))

    page.route(f"{drawn_site.base}/", mirror)
    page.goto(f"{drawn_site.base}/#map=5/45/5&layers=reefs&area=0,40,5,45")
    expect(_tag(page, "estimate-text")).to_contain_text("25 features")
    pane, scale, zoom = (_box(page, name) for name in (".map-pane", ".ol-scale-line", ".ol-zoom"))
    box, title = _box(page, "#layer-reefs"), _box(page, "label[for=layer-reefs] bdi")
    # The map begins at the right, and what stands at its beginning does so too.
    assert pane["x"] > 0
    middle = pane["x"] + pane["width"] / 2
    assert scale["x"] > middle and zoom["x"] > middle
    assert box["x"] > title["x"] and box["x"] - title["x"] - title["width"] < 60
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


def _box(page: Page, selector: str) -> FloatRect:
    frame = page.locator(selector).first.bounding_box()
    assert frame is not None
    return frame


class _Keys:
    """A person at the keyboard, whose keys are counted, and who never loses the place."""

    def __init__(self, page: Page) -> None:
        self.count = 0
        self._page = page

    def press(self, key: str) -> None:
        self._page.keyboard.press(key)
        self.count += 1
        assert self._page.evaluate("document.activeElement !== document.body"), (
            f"focus lost by {key}"
        )

    def until(self, test_id: str) -> None:
        self._tab(f"document.activeElement.dataset.testid === {json.dumps(test_id)}")

    def until_first_layer(self) -> None:
        self._tab("document.activeElement.matches('#layers input')")

    def _tab(self, is_there: str) -> None:
        while not self._page.evaluate(is_there):
            assert self.count <= MOST_KEYS, f"more than {MOST_KEYS} keys"
            self.press("Tab")


def _tag(page: Page, name: str) -> Locator:
    return page.get_by_test_id(name)


# Words that no German text has, and every English one.
_ENGLISH = re.compile(r"\b(the|and|your|you|of|is|this|are|with|to|for|not|here)\b", re.IGNORECASE)
# What is said or shown, but for what is told to be English, is code, or is a layer's own.
_SAID = """() => {
  const walker = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_TEXT);
  const others = ':not(html)[lang=en], script, style, code, pre, small, td, dd:not(#estimate dd)';
  const texts = [];
  while (walker.nextNode()) {
    const { parentElement: parent, textContent: text } = walker.currentNode;
    if (!parent.closest(others)) texts.push(text.trim());
  }
  for (const name of ['aria-label', 'title', 'placeholder', 'alt']) {
    for (const each of document.querySelectorAll(`[${name}]`)) texts.push(each.getAttribute(name));
  }
  return texts.filter(Boolean);
}"""


def _assert_german(page: Page) -> None:
    texts = page.evaluate(_SAID)
    assert len(texts) > 5
    assert [text for text in texts if _ENGLISH.search(text)] == []
