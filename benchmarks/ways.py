"""What it takes a person from ``/`` to a zip in five ways: actions, keys, seconds.

``python -m benchmarks ways``. A site of 20 layers with a worker, looked at in Chromium at 10 Mbit/s
and 100 ms. An action is what a person decides to do: a click or a touch, a stroke of the pointer,
a text that is typed, a choice of a file; by keyboard each key counts. Of the seconds none are a
person's: they are those of the page, the line and the service.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Download, Locator, Page

from benchmarks.drawings import tell, wait_for_web
from benchmarks.jobs import running_web, running_worker
from benchmarks.machine import describe_load, describe_machine
from benchmarks.page import chromium, prepare, slow_page

_MOST_ACTIONS, _MOST_KEYS, _MOST_SECONDS = 7, 40, 60.0
_PHONE = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}
_LAYER = "ports"
_SQUARE = {"type": "Polygon", "coordinates": [[[5, 42], [15, 42], [15, 45], [5, 45], [5, 42]]]}
_IS_HERE = "(name) => document.activeElement.dataset.testid === name"


class Person:
    """Whoever uses a page, and whose actions are counted."""

    def __init__(self, page: Page, is_touching: bool = False) -> None:
        self.page = page
        self.actions = 0
        self._is_touching = is_touching

    def press(self, name: str) -> None:
        """Click or touch what has a name of the tests."""
        at = self.find(name)
        if self._is_touching:
            at.tap()
        else:
            at.click()
        self.actions += 1

    def find(self, name: str) -> Locator:
        """Return what has a name of the tests, the first of several."""
        return self.page.get_by_test_id(name).first

    def draw(self) -> None:
        """Draw a stroke over the middle of the map, or touch two corners."""
        frame = self.find("map").bounding_box()
        assert frame is not None
        x, y = frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 3
        corners = ((x - 40, y - 30), (x + 40, y + 30))
        if self._is_touching:
            for corner in corners:
                self.page.touchscreen.tap(*corner)
            self.actions += 2
            return
        self.page.mouse.move(*corners[0])
        self.page.mouse.down()
        self.page.mouse.move(*corners[1], steps=5)
        self.page.mouse.up()
        self.actions += 1

    def key(self, key: str) -> None:
        """Press a key."""
        self.page.keyboard.press(key)
        self.actions += 1

    def tab_to(self, name: str) -> None:
        """Press Tab until the keyboard is at what has a name of the tests."""
        while not self.page.evaluate(_IS_HERE, name):
            self.key("Tab")
            if self.actions > _MOST_KEYS:
                raise SystemExit(f"more than {_MOST_KEYS} keys to {name}")

    def finish(self, fetch: Callable[[], None]) -> Download:
        """Wait until the files are there, and fetch them."""
        self.find("download").wait_for()
        with self.page.expect_download() as taken:
            fetch()
        return taken.value


def by_rectangle(person: Person) -> Download:
    """Draw a rectangle on the map."""
    person.press("draw-rectangle")
    person.draw()
    return _ask(person)


def by_name(person: Person) -> Download:
    """Type the beginning of a country's name, and take what is offered first."""
    person.press("area-name")
    person.page.keyboard.type("ital")
    person.actions += 1
    person.page.get_by_role("option", name="Italy").wait_for()
    person.key("Enter")
    return _ask(person)


def by_file(person: Person) -> Download:
    """Choose a file."""
    with person.page.expect_file_chooser() as chooser:
        person.press("choose-file")
    content = json.dumps(_SQUARE).encode()
    file: Any = {"name": "area.geojson", "mimeType": "application/geo+json", "buffer": content}
    chooser.value.set_files(file)
    person.actions += 1
    return _ask(person)


def by_keyboard(person: Person) -> Download:
    """Use nothing but the keyboard: the map's view, the first layer."""
    person.key("Tab")
    person.key("Enter")
    person.tab_to("use-view")
    person.key("Enter")
    while not person.page.evaluate("document.activeElement.matches('#layers input')"):
        person.key("Tab")
    person.key("Space")
    person.key("Enter")
    person.find("download").wait_for()
    person.tab_to("download")
    return person.finish(lambda: person.key("Enter"))


def _ask(person: Person) -> Download:
    person.press(f"layer-{_LAYER}")
    person.press("submit")
    return person.finish(lambda: person.press("download"))


_WAYS: dict[str, tuple[Callable[[Person], Download], bool, int]] = {
    "a rectangle": (by_rectangle, False, _MOST_ACTIONS),
    "a named area": (by_name, False, _MOST_ACTIONS),
    "a file": (by_file, False, _MOST_ACTIONS),
    "the keyboard alone (keys)": (by_keyboard, False, _MOST_KEYS),
    "a phone, a rectangle": (by_rectangle, True, _MOST_ACTIONS),
}


def main() -> None:
    """Print what each way takes."""
    argparse.ArgumentParser(prog=sys.argv[0]).parse_args()
    with tempfile.TemporaryDirectory(prefix="marinemap-ways-") as folder:
        print(*describe_machine(Path(folder), ["playwright"]), sep="\n")
        with running_site(Path(folder) / "home") as base, chromium() as browser:
            for name, (way, is_phone, most) in _WAYS.items():
                actions, seconds = measure(browser, base, way, is_phone)
                tell(f"{name}: actions", actions, most)
                tell(f"{name}: seconds", seconds, _MOST_SECONDS)
        print(f"\n  {describe_load()} at the end")


@contextmanager
def running_site(home: Path) -> Iterator[str]:
    """Run a site of 20 layers, drawn, with a worker; yield where it answers."""
    with running_web(home, None, {}) as web:
        wait_for_web(web.base)
        prepare(web.environment)
        with running_worker(home, web):
            yield web.base


def measure(
    browser: Browser, base: str, way: Callable[[Person], Download], is_phone: bool
) -> tuple[int, float]:
    """Go a way; return its actions and how many seconds it took."""
    with slow_page(browser, **(_PHONE if is_phone else {})) as page:
        begun = time.monotonic()
        page.goto(base)
        page.locator("#layers input").first.wait_for()
        person = Person(page, is_phone)
        name = way(person).suggested_filename
        if not name.endswith(".zip"):
            raise SystemExit(f"{name} is no zip")
        return person.actions, time.monotonic() - begun


if __name__ == "__main__":
    main()
