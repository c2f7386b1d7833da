"""Components of the page in each of their states, without a service."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

from playwright.sync_api import Page, expect

from tests.browser.conftest import assert_sound
from tests.running_site import PROJECT

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def test_each_state_of_a_component_stands_without_a_service(page: Page, axe: str) -> None:
    node = PROJECT / "scripts" / "node.py"
    subprocess.run([sys.executable, node, "run", "--silent", "stories"], check=True)
    page.add_init_script(axe)
    # What is told of times to come is of this moment.
    page.clock.set_fixed_time(NOW)
    page.goto((PROJECT / "marinemap" / "web" / "build" / "stories" / "index.html").as_uri())
    stories = page.get_by_test_id("story")
    expect(stories).not_to_have_count(0)
    told = dict(text.split("\n", 1) for text in stories.all_inner_texts())
    assert len(told) == stories.count() > 20
    assert "3 requests are ahead; it starts in 30 s" in told["waits behind others"]
    assert "Working 42 %" in told["runs"]
    assert "Failed: The file of 'reefs' is damaged. Ask" in told["has failed, and it is known why"]
    assert "1 layer is missing" in told["is ready, with a report"]
    assert "Lies elsewhere on the map." in told["lies elsewhere"]
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert_sound(page, scheme)
