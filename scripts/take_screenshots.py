"""Take the pictures of the map page that the documents show, from a site with the sample layers.

    python -m scripts.take_screenshots [folder]

It needs Chromium and the built page, takes about a minute, and writes below docs/images/ unless
another folder is named. Look at each before it is committed.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.running_site import PROJECT, RunningSite, wait_for

_WIDE = {"width": 1280, "height": 800}
_PHONE = {"width": 390, "height": 844}
# What is looked at is told apart, and a file stays below 300 kB.
_QUALITY = 80
_MOST_BYTES = 300_000
_AEGEAN = "map=6.2/37.9/24.6&layers=countries,ports&area=22.6,35.4,28.2,40.6"
_GULF = "map=5.2/57/20&layers=countries,ports,shipping_lanes&names=countries"
_PART = (
    '[{"name":"ports","fields":["port_name"],"filter":{"op":"in",'
    '"args":[{"property":"country_name"},["Greece"]]}}]'
)


def main() -> None:
    """Take all of them."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else PROJECT / "docs" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        site = RunningSite(Path(home), MARINEMAP_EXTRACT_RATE="600/m")
        for command in ("migrate", "loadsamples", "drawlayers"):
            site.manage(command)
        site.start_web()
        site.start_worker()
        try:
            _take_all(site, folder)
        finally:
            site.stop()


def _take_all(site: RunningSite, folder: Path) -> None:
    # Drawings and counts take their time.
    expect.set_options(timeout=60_000)
    with sync_playwright() as tools:
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = tools.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, (take, options) in _PICTURES.items():
            page = _open(browser, site, options)
            take(page)
            assert page.viewport_size is not None
            # What was pressed last is not pointed at, nor is a place of the map.
            page.mouse.move(page.viewport_size["width"] - 1, 0)
            expect(page.get_by_test_id("map-loading")).to_be_hidden()
            path = folder / f"{name}.jpg"
            page.screenshot(path=path, type="jpeg", quality=_QUALITY)
            page.context.close()
            if path.stat().st_size > _MOST_BYTES:
                raise SystemExit(f"{path} is larger than {_MOST_BYTES:,} bytes")
        browser.close()


def _open(browser: Browser, site: RunningSite, options: dict[str, object]) -> Page:
    page = browser.new_context(**{"viewport": _WIDE, **options}).new_page()
    _go(page, site.base, _AEGEAN)
    return page


def _go(page: Page, base: str, fragment: str) -> None:
    page.goto(f"{base}/#{fragment}")
    # A change of the fragment alone is no new page.
    page.reload()
    expect(page.locator("#layers input:checked").first).to_be_checked()
    if "area=" in fragment:
        expect(page.get_by_test_id("estimate-text")).to_contain_text("feature")


def _look(page: Page) -> None:
    """Leave the page as it is."""


def _describe(page: Page) -> None:
    """Have three layers on the map, the names of one, and what another is."""
    with page.expect_response("**/items?properties=**"):
        _go(page, page.url.partition("/#")[0], _GULF)
    page.get_by_test_id("about-shipping_lanes").click()
    page.get_by_test_id("layer-ports").evaluate("box => box.closest('li').scrollIntoView()")


def _identify(page: Page) -> None:
    """Read the fields of what is in the middle of the map."""
    _go(page, page.url.partition("/#")[0], "map=5/42.5/12.5&layers=countries")
    wait_for(lambda: _reads_something(page), "the fields of what is in the middle")


def _reads_something(page: Page) -> bool:
    # Until the map is there it reads nothing.
    page.locator("#map").press("Enter")
    expect(page.get_by_test_id("identify-text")).not_to_have_text(re.compile("^$|Reading"))
    return page.locator("#identify dd").count() > 0


def _choose_a_part(page: Page) -> None:
    """Open what is chosen of a layer."""
    fragment = f"{_AEGEAN.replace('countries,', '')}&parts={quote(_PART)}"
    _go(page, page.url.partition("/#")[0], fragment)
    page.get_by_test_id("more").locator("summary").first.click()
    page.get_by_test_id("condition-find-ports-0").fill("gree")
    page.get_by_test_id("more").scroll_into_view_if_needed()


def _ask(page: Page) -> None:
    """Ask for three extracts, and wait until they are ready."""
    for number, format_ in enumerate(("shapefile", "geopackage", "csv"), 1):
        page.get_by_test_id("format").select_option(format_)
        page.get_by_test_id("submit").click()
        expect(page.get_by_test_id("download")).to_have_count(number)
    page.get_by_test_id("report").first.locator("summary").click()
    page.get_by_test_id("request-row").first.scroll_into_view_if_needed()


_PICTURES: dict[str, tuple[Callable[[Page], None], dict[str, object]]] = {
    "map": (_look, {}),
    "map-layers": (_describe, {}),
    "map-identify": (_identify, {}),
    "map-more": (_choose_a_part, {"viewport": {"width": 1280, "height": 1150}}),
    "map-requests": (_ask, {}),
    "map-dark": (_ask, {"color_scheme": "dark"}),
    "map-phone": (_ask, {"viewport": _PHONE, "has_touch": True, "is_mobile": True}),
}

if __name__ == "__main__":
    main()
