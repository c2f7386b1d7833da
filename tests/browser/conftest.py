"""What the tests of the page share: a browser, and a site whose layers are drawn."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Page, expect, sync_playwright

from tests.postgresql import skip_or_fail
from tests.running_site import PROJECT, RunningSite

_AXE = PROJECT / "marinemap" / "web" / "node_modules" / "axe-core" / "axe.min.js"
# No GPU and no calls home; the sandbox needs privileges that a container lacks.
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # What its address bar would show, drawn for each new tab by a renderer of its own: two thirds
    # of what a tab costs.
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup",
]

# What is said of how soon something comes is said where it is tested; a busy machine is no fault.
expect.set_options(timeout=90_000)


# So many milliseconds pass before the page has any answer: what a test reads too early fails.
_ANSWERS_WAIT_MS = int(os.environ.get("PAGE_ANSWERS_WAIT_MS", "0"))
_WAIT = f"""
    const whole = fetch;
    window.fetch = async (...given) => {{
        const answer = await whole(...given);
        await new Promise((resume) => setTimeout(resume, {_ANSWERS_WAIT_MS}));
        return answer;
    }};
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser, started once a module: for a test that takes as long as a page does.

    Not once a run: its loop of events would be in the way of Django's own tests.
    """
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        skip_or_fail("Chromium is missing: sudo apt install chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=_ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A tab of a new person's that fails the test on any script error or refused resource."""
    with _tab(browser) as tab:
        yield tab


@pytest.fixture
def german_page(browser: Browser) -> Iterator[Page]:
    """The same of somebody in Austria."""
    with _tab(browser, locale="de-AT") as tab:
        yield tab


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core."""
    if not _AXE.is_file():
        skip_or_fail("axe-core is missing: npm ci in marinemap/web")
    return _AXE.read_text()


def assert_sound(page: Page, state: str) -> None:
    """Have axe-core, which the page has taken in, judge what is seen."""
    # The map is pixels to it; what else counts for those who cannot see it is tested elsewhere.
    judged: dict[str, Any] = page.evaluate("axe.run({preload: false})")
    assert len(judged["passes"]) > 20
    told = [
        f"{each['id']}: {each['help']}: {node['html'][:160]} {node['failureSummary']}"
        for each in judged["violations"]
        for node in each["nodes"]
    ]
    assert not told, f"{state}: " + "\n".join(told)


@contextmanager
def _tab(browser: Browser, **options: Any) -> Iterator[Page]:
    troubles: list[str] = []
    tab = browser.new_context(viewport={"width": 1280, "height": 800}, **options).new_page()
    if _ANSWERS_WAIT_MS:
        tab.context.add_init_script(_WAIT)
    tab.set_default_timeout(180_000)
    tab.on("pageerror", lambda error: troubles.append(str(error)))
    tab.on(
        "console",
        lambda entry: troubles.append(entry.text) if "Security Policy" in entry.text else None,
    )
    try:
        yield tab
        _tell_jobs(tab)
    finally:
        # That of another person, too, whom a test may have let in.
        for context in browser.contexts:
            context.close()
    assert troubles == []


def _tell_jobs(tab: Page) -> None:
    """Print what the API knows of this person's jobs: it is read where a test has failed."""
    ask = "fetch('/api/jobs', {signal: AbortSignal.timeout(2000)}).then((answer) => answer.text())"
    with suppress(Error):
        print("jobs of this tab:", tab.evaluate(ask))


@pytest.fixture(scope="module")
def drawn_site(
    prepared: RunningSite, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningSite]:
    """A site whose layers are drawn, for the tests of a module that only look at it."""
    home = tmp_path_factory.mktemp("drawn") / "home"
    shutil.copytree(prepared.home, home)
    site = RunningSite(home)
    site.manage("drawlayers")
    site.start_web()
    yield site
    site.stop()


@pytest.fixture(scope="module")
def working_site(
    prepared: RunningSite, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningSite]:
    """A site with a worker that starts what is asked for at once, and writes to anyone.

    All layers as they come have a feature more than one extract may.
    """
    home = tmp_path_factory.mktemp("working") / "home"
    shutil.copytree(prepared.home, home)
    site = RunningSite(
        home,
        MARINEMAP_EXTRACT_RATE="600/m",
        MARINEMAP_LETTERS="anyone",
        MARINEMAP_MAX_RUN_FEATURES="209",
    )
    site.start_web()
    site.start_worker()
    yield site
    site.stop()


def copy_layer(site: RunningSite, layer: str, count: int) -> None:
    """Have a layer so many times more, as ``copy_00`` and so on."""
    site.manage(
        "shell",
        "--command",
        "from marinemap.catalogue.models import Layer\n"
        f"layer = Layer.objects.get(pk={layer!r})\n"
        f"for number in range({count}):\n"
        "    layer.pk = f'copy_{number:02}'\n"
        "    layer.title = f'Copy {number:02}'\n"
        "    layer.save(force_insert=True)\n",
    )
