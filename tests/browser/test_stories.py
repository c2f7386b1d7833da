"""Components of the page in each of their states, without a service."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from tests.browser.box_font import box_font_css
from tests.browser.conftest import assert_sound
from tests.running_site import PROJECT

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
GROUPS = ["Requests", "Estimates", "What is at a place", "Parts of a layer", "Layers"]

_PICTURES = Path(__file__).parent / "pictures"
# Versions of Chromium draw the edge of a box otherwise; a word more or another colour is beyond.
_MOST_DIFFERENT = 0.001
_DIFFERENT = """
    async (pictures) => {
        const pixels = await Promise.all(pictures.map(async (picture) => {
            const image = new Image();
            image.src = `data:image/png;base64,${picture}`;
            await image.decode();
            const { width, height } = image;
            const canvas = new OffscreenCanvas(width, height).getContext("2d");
            canvas.drawImage(image, 0, 0);
            return canvas.getImageData(0, 0, width, height);
        }));
        const [one, other] = pixels;
        if (one.width !== other.width || one.height !== other.height) return 1;
        let different = 0;
        for (let at = 0; at < one.data.length; at += 4) {
            const by = [0, 1, 2].map((n) => Math.abs(one.data[at + n] - other.data[at + n]));
            if (Math.max(...by) > 16) different += 1;
        }
        return different / (one.data.length / 4);
    }
"""


@pytest.fixture(scope="module")
def stories() -> str:
    """The address of the page of stories."""
    node = PROJECT / "scripts" / "node.py"
    subprocess.run([sys.executable, node, "run", "--silent", "stories"], check=True)
    return (PROJECT / "marinemap" / "web" / "build" / "stories" / "index.html").as_uri()


def test_each_state_of_a_component_stands_without_a_service(
    page: Page, axe: str, stories: str
) -> None:
    page.add_init_script(axe)
    _go(page, stories)
    shown = page.get_by_test_id("story")
    told = dict(text.split("\n", 1) for text in shown.all_inner_texts())
    assert len(told) == shown.count() > 36
    assert "3 requests are ahead; it starts in 30 s" in told["waits behind others"]
    assert "Working 42 %" in told["runs"]
    assert "Failed: The file of 'reefs' is damaged. Ask" in told["has failed, and it is known why"]
    assert "Interrupted: no worker is there" in told["was interrupted"]
    assert "Not shown to this browser any more" in told["is lost to this browser"]
    assert "1 layer is missing" in told["is ready, with a report"]
    assert "Lies elsewhere on the map." in told["lies elsewhere"]
    assert "Layer by layer, 2 notes" in told["several layers, one with warnings"]
    assert "2 of 3" in told["second of three"]
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert_sound(page, scheme)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_components_look_as_it_was_decided(
    page: Page, stories: str, scheme: Literal["light", "dark"]
) -> None:
    """Compare with pictures; where a change is meant, UPDATE_PICTURES=1 takes them anew."""
    page.emulate_media(color_scheme=scheme)
    _go(page, stories)
    assert page.locator("#stories > h2").all_inner_texts() == GROUPS
    # Letters are each machine's own; what waits is drawn moving.
    page.add_style_tag(content=box_font_css() + "progress:indeterminate { visibility: hidden; }")
    page.evaluate("document.fonts.load('16px boxes')")
    for details in page.get_by_test_id("estimate-details").locator("visible=true").all():
        details.locator("summary").click()
    different = {group: _difference(page, group, scheme) for group in GROUPS}
    assert different == {group: pytest.approx(0, abs=_MOST_DIFFERENT) for group in GROUPS}


def _difference(page: Page, group: str, scheme: str) -> float:
    """Return which share of the picture of a group's stories is another than it was decided."""
    name = group.replace(" ", "-")
    # Alone: what stands above would move it by a part of a pixel.
    page.add_style_tag(content=f"main > :not(#stories-{name}) {{ display: none; }}")
    taken = page.locator(f"#stories-{name}").screenshot()
    page.locator("style").last.evaluate("style => style.remove()")
    kept = _PICTURES / f"{name.lower()}-{scheme}.png"
    if os.environ.get("UPDATE_PICTURES"):
        kept.write_bytes(taken)
    both = [base64.b64encode(each).decode() for each in (taken, kept.read_bytes())]
    return float(page.evaluate(_DIFFERENT, both))


def _go(page: Page, stories: str) -> None:
    # What is told of times to come is of this moment.
    page.clock.set_fixed_time(NOW)
    page.goto(stories)
    expect(page.get_by_test_id("story")).not_to_have_count(0)
