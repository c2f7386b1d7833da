"""Take the pictures of the map page that the documents show, from a site with the sample layers.

    python -m scripts.take_screenshots [folder]

It needs Chromium and the built page, takes about a minute, and writes below docs/images/ unless
another folder is named.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.running_site import PROJECT, RunningSite

_WIDE = {"width": 1280, "height": 800}
_PHONE = {"width": 390, "height": 844}
# What is looked at is told apart, and a file stays below 300 kB.
_QUALITY = 80
_AEGEAN = "map=6.2/37.9/24.6&layers=countries,ports&area=22.6,35.4,28.2,40.6"


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
            expect(page.get_by_test_id("map-loading")).to_be_hidden()
            page.screenshot(path=folder / f"{name}.jpg", type="jpeg", quality=_QUALITY)
            page.context.close()
        browser.close()


def _open(browser: Browser, site: RunningSite, options: dict[str, object]) -> Page:
    page = browser.new_context(**{"viewport": _WIDE, **options}).new_page()
    page.goto(f"{site.base}/#{_AEGEAN}")
    expect(page.get_by_test_id("estimate-text")).to_contain_text("feature")
    return page


def _look(page: Page) -> None:
    """Leave the page as it is."""


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
    "map-requests": (_ask, {}),
    "map-dark": (_ask, {"color_scheme": "dark"}),
    "map-phone": (_ask, {"viewport": _PHONE, "has_touch": True, "is_mobile": True}),
}

if __name__ == "__main__":
    main()
