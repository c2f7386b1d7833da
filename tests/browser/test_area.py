"""The area: by name, from a file, as a circle, typed, moved, undone."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.running_site import RunningSite

pytestmark = pytest.mark.parametrize("prepared", ["sqlite"], indirect=True)

# Its outline crosses itself: two triangles.
BOW_TIE = {"type": "Polygon", "coordinates": [[[1, 41], [3, 43], [3, 41], [1, 43], [1, 41]]]}


@pytest.fixture(scope="module")
def named_site(drawn_site: RunningSite, marine_gpkg: Path) -> Iterator[RunningSite]:
    """A site with areas that are known by their names."""
    drawn_site.manage("addlayer", "zones", marine_gpkg, "--layer", "reefs", "--area-names", "name")
    yield drawn_site


def test_area_is_found_by_its_name_and_kept_in_the_address(
    page: Page, named_site: RunningSite
) -> None:
    _open(page, named_site)
    name = page.get_by_role("combobox", name="or by name")
    name.press_sequentially("recif 5")
    options = _tag(page, "area-names").get_by_role("option")
    expect(options.first).to_contain_text("Récif 5")
    expect(name).to_have_attribute("aria-expanded", "true")
    first = options.first.inner_text()
    name.press("ArrowDown")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    name.press("ArrowUp")
    name.press("Enter")
    expect(options).to_have_count(0)
    _expect_one_reef(page, first.split()[1])
    page.reload()
    _expect_one_reef(page, first.split()[1])
    name.fill("nowhere at all")
    expect(options).to_have_text("No area by that name here.")
    name.press("Escape")
    expect(_tag(page, "area-size")).to_contain_text("Récif 5")


def test_sea_that_is_named_on_the_map_is_a_place_to_go_to(
    page: Page, named_site: RunningSite
) -> None:
    page.goto(named_site.base)
    name = page.get_by_role("combobox", name="or by name")
    # As the field suggests.
    expect(name).to_have_attribute("placeholder", re.compile("Aegean Sea"))
    name.press_sequentially("aegean")
    option = _tag(page, "area-names").get_by_role("option")
    expect(option).to_have_text("Aegean Sea Go there on the map")
    name.press("Enter")
    expect(_tag(page, "sea-note")).to_contain_text("draw your area")
    # It is no area: nobody has told its limits.
    expect(_tag(page, "area-size")).to_have_text("No area yet.")
    expect(page).to_have_url(re.compile(r"#map=\d+/3[789][.\d]*/2[45]"))
    _tag(page, "use-view").click()
    expect(_tag(page, "area-size")).to_contain_text("km²")
    expect(_tag(page, "sea-note")).to_be_hidden()


def test_search_that_takes_long_says_so(page: Page, named_site: RunningSite) -> None:
    held: list[Route] = []
    page.route("**/api/areas?*", lambda route: held.append(route))
    _open(page, named_site)
    name = page.get_by_role("combobox", name="or by name")
    name.press_sequentially("recif 5")
    options = _tag(page, "area-names").get_by_role("option")
    expect(options).to_have_text("Searching …")
    name.press("Enter")
    expect(options).to_have_text("Searching …")
    held[-1].continue_()
    expect(options.first).to_contain_text("Récif 5")
    name.fill("recif 6")
    expect(options).to_have_text(["Searching …"])
    held[-1].fulfill(status=503, json={"detail": "busy"})
    expect(_tag(page, "problem-area")).to_contain_text("Busy.")
    expect(options).to_have_count(0)


def test_two_corners_have_no_size(page: Page, named_site: RunningSite) -> None:
    _open(page, named_site)
    _tag(page, "draw-polygon").click()
    _click_map(page, right=-80, down=-60)
    _click_map(page, right=80, down=-60)
    size = _tag(page, "area-size")
    expect(_tag(page, "undo-corner")).to_be_visible()
    expect(size).to_have_text("No area yet.")
    _click_map(page, right=0, down=60)
    expect(size).to_contain_text("km²")


def test_file_is_read_and_what_was_repaired_is_told(page: Page, named_site: RunningSite) -> None:
    _open(page, named_site)
    _choose_file(page, "bow tie.geojson", json.dumps(BOW_TIE))
    expect(_tag(page, "area-size")).to_contain_text("bow tie.geojson: ")
    expect(_tag(page, "area-notes").locator("li")).to_have_count(1)
    expect(_tag(page, "estimate-text")).to_contain_text("feature")
    problem = _tag(page, "problem-area")
    # In words of whoever chose it: no advice for programs.
    _choose_file(page, "none.wkt", "")
    expect(problem).to_have_text("none.wkt: The file is empty.")
    _choose_file(page, "large.wkt", " " * 6_000_000)
    expect(problem).to_contain_text("The file has 6 MB; one for an area has at most 5.2 MB.")
    _choose_file(page, "notes.txt", "nothing that is an area")
    expect(problem).to_contain_text("notes.txt: ")
    # What was there stays.
    expect(_tag(page, "area-size")).to_contain_text("bow tie.geojson: ")
    _drop_file(page, "square.wkt", "POLYGON ((1 41, 2 41, 2 42, 1 42, 1 41))")
    expect(_tag(page, "area-size")).to_contain_text("square.wkt: ")
    expect(problem).to_be_hidden()
    expect(_tag(page, "area-notes").locator("li")).to_have_count(0)
    # A name of any length and writing leaves the form and the number behind it as they are.
    _choose_file(page, "ים" * 90 + ".wkt", "POLYGON ((1 41, 2 41, 2 42, 1 42, 1 41))")
    expect(_tag(page, "area-size").locator("bdi")).to_contain_text("ים.wkt")
    assert _tag(page, "area-size").evaluate("(line) => line.scrollWidth <= line.clientWidth")


def test_circle_around_a_pole_and_area_up_to_one_hold_it(
    page: Page, named_site: RunningSite
) -> None:
    # So far in the north the map begins at its edge.
    _open(page, named_site, "3/70/20")
    size = _tag(page, "area-size")
    _tag(page, "draw-circle").click()
    _click_map(page, 0, -250)
    _click_map(page, 350, -250)
    expect(size).to_have_text(re.compile(r"^Area: [0-9,]{9,} km²$"))
    latitude, longitude = _place(page, 0, -250)
    _, east = _place(page, 350, -250)
    half = math.radians(east - longitude) / 2
    angle = 2 * math.asin(math.cos(math.radians(latitude)) * math.sin(half))
    assert math.degrees(angle) > 90 - latitude
    wanted = 2 * math.pi * 6371.0**2 * (1 - math.cos(angle))
    km2 = float(size.inner_text().removeprefix("Area: ").removesuffix(" km²").replace(",", ""))
    # Of 64 corners some are many degrees of longitude apart, so near to the pole.
    assert km2 == pytest.approx(wanted, rel=0.02)
    page.locator("#typed-area summary").click()
    for side, degrees in {"west": "0", "south": "80", "east": "30", "north": "90"}.items():
        _tag(page, f"bound-{side}").fill(degrees)
    _tag(page, "use-bounds").click()
    _tag(page, "draw-move").click()
    _tag(page, "map").press("ArrowRight")
    expect(_tag(page, "bound-west")).not_to_have_value("0")
    expect(_tag(page, "bound-north")).to_have_value("90")
    expect(_tag(page, "bound-south")).to_have_value("80")


def test_circle_is_drawn_moved_by_keys_and_undone(page: Page, named_site: RunningSite) -> None:
    _open(page, named_site)
    size = _tag(page, "area-size")
    _tag(page, "draw-circle").click()
    _click_map(page, 0, 0)
    _move_mouse(page, 60, 0)
    # Told while it is drawn.
    expect(size).to_contain_text("km²")
    _click_map(page, 100, 0)
    expect(page).to_have_url(re.compile("area="))
    circle, drawn_at = size.inner_text(), page.url
    # 100 pixels at zoom 5 and 45 degrees north are 346 km; 64 corners lack 0.2 %.
    km2 = float(circle.removeprefix("Area: ").removesuffix(" km²").replace(",", ""))
    assert km2 == pytest.approx(3.14159 * 346.0**2, rel=0.03)
    _tag(page, "draw-move").click()
    _tag(page, "map").press("ArrowRight")
    _tag(page, "map").press("Escape")
    expect(_tag(page, "draw-move")).to_be_focused()
    expect(page).not_to_have_url(drawn_at)
    page.keyboard.press("Control+z")
    expect(page).to_have_url(drawn_at)
    _tag(page, "undo-area").press("Enter")
    expect(size).to_have_text("No area yet.")
    expect(_tag(page, "draw-rectangle")).to_be_focused()
    _tag(page, "redo-area").click()
    expect(size).to_have_text(circle)


def test_fingers_are_told_to_tap(browser: Browser, named_site: RunningSite) -> None:
    phone = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    ).new_page()
    phone.goto(named_site.base)
    told = phone.locator("#drawing-help-text")
    for tool, text in {
        "rectangle": "Drag from one corner to the opposite one, or tap both.",
        "polygon": "Tap each corner; tap the last one twice to finish.",
        "circle": "Tap the middle, then how far it reaches.",
    }.items():
        _tag(phone, f"draw-{tool}").tap()
        expect(told).to_have_text(text)


def test_size_is_told_in_nautical_miles_on_wish(page: Page, named_site: RunningSite) -> None:
    page.goto(f"{named_site.base}/#area=0,40,1,41")
    expect(_tag(page, "area-size")).to_have_text("Area: 9,413 km²")
    _tag(page, "units").click()
    expect(_tag(page, "area-size")).to_have_text("Area: 2,744 nmi²")
    # Said where it stands, and not once more.
    expect(page.locator("#announcer")).to_be_empty()
    page.reload()
    expect(_tag(page, "area-size")).to_have_text("Area: 2,744 nmi²")
    _tag(page, "units").click()
    expect(_tag(page, "area-size")).to_have_text("Area: 9,413 km²")


def test_bounds_are_typed_as_people_write_them(page: Page, named_site: RunningSite) -> None:
    _open(page, named_site)
    page.get_by_text("Type coordinates instead").click()
    north = _tag(page, "bound-north")
    for side, text in {"south": "41", "north": "43", "west": "180", "east": "180 W"}.items():
        _tag(page, f"bound-{side}").fill(text)
    north.press("Enter")
    expect(_tag(page, "problem-area")).to_contain_text("West and east must differ.")
    for side, text in {"west": "1°30'E", "south": "41 N", "east": "3,5", "north": "43x"}.items():
        _tag(page, f"bound-{side}").fill(text)
    north.press("Enter")
    expect(_tag(page, "problem-area")).to_contain_text("North must be degrees")
    expect(north).to_be_focused()
    expect(north).to_have_attribute("aria-invalid", "true")
    north.fill("43 N")
    north.press("Enter")
    expect(page).to_have_url(re.compile(r"area=1\.5,41,3\.5,43"))
    expect(north).not_to_have_attribute("aria-invalid", "true")
    expect(_tag(page, "problem-area")).to_be_hidden()


def test_view_of_the_map_is_an_area(page: Page, named_site: RunningSite) -> None:
    _open(page, named_site)
    _tag(page, "use-view").click()
    expect(page).to_have_url(re.compile(r"area=-\d+\.\d+,\d+\.\d+,\d+\.\d+,\d+\.\d+"))
    expect(_tag(page, "area-size")).to_contain_text("km²")


def test_nothing_is_asked_for_but_the_area_that_is_seen(
    page: Page, named_site: RunningSite
) -> None:
    page.goto(f"{named_site.base}/#map=5/45/5&layers=reefs&area=0,40,5,45")
    submit, reason = _tag(page, "submit"), _tag(page, "submit-reason")
    expect(submit).to_be_enabled()
    page.get_by_text("Type coordinates instead").click()
    north = _tag(page, "bound-north")
    north.fill("50")
    expect(reason).to_contain_text("Press “Use these coordinates”")
    expect(submit).to_be_disabled()
    north.fill("45")
    expect(submit).to_be_enabled()
    _paste(page, "1, 41, 5, 45")
    expect(submit).to_be_disabled()
    north.press("Enter")
    expect(page).to_have_url(re.compile("area=1,41,5,45$"))
    expect(submit).to_be_enabled()
    # What is drawn hides it, and is none yet.
    _tag(page, "draw-polygon").click()
    _click_map(page, right=0, down=0)
    expect(reason).to_have_text("Finish the drawing, or stop it.")
    expect(submit).to_be_disabled()
    _tag(page, "stop-drawing").click()
    expect(submit).to_be_enabled()
    _tag(page, "draw-move").click()
    expect(submit).to_be_enabled()


def test_area_that_comes_while_another_is_moved_stays_as_it_is(
    page: Page, named_site: RunningSite
) -> None:
    page.goto(f"{named_site.base}/#map=5/45/5&layers=reefs&area=0,40,5,45")
    expect(_tag(page, "estimate-text")).to_contain_text("25 features")
    for text in (
        "MULTIPOLYGON (((1 41, 2 41, 2 42, 1 41)), ((5 41, 6 41, 6 42, 5 41)))",
        "POLYGON ((1 41, 9 41, 9 49, 1 41), (5 42, 7 42, 7 44, 5 42))",
    ):
        _tag(page, "draw-move").click()
        _choose_file(page, "area.wkt", text)
        size = _tag(page, "area-size")
        expect(size).to_contain_text("area.wkt: ")
        told = size.inner_text()
        expect(_tag(page, "draw-move")).to_have_attribute("aria-pressed", "false")
        _tag(page, "map").press("ArrowRight")
        _tag(page, "units").click()
        _tag(page, "units").click()
        expect(size).to_have_text(told)
        _tag(page, "undo-area").click()
        expect(size).to_have_text("Area: 228,199 km²")


def test_keys_in_a_text_are_those_of_the_text(page: Page, named_site: RunningSite) -> None:
    parts = quote(json.dumps([{"name": "reefs", "filter": "1=1"}]))
    page.goto(f"{named_site.base}/#map=5/45/5&layers=reefs&area=0,40,5,45&parts={parts}")
    _tag(page, "more").locator("summary").first.click()
    written = _tag(page, "written-reefs")
    written.press("End")
    written.press("5")
    expect(written).to_have_value("1=15")
    written.press("Control+z")
    expect(written).to_have_value("1=1")
    expect(_tag(page, "area-size")).to_have_text("Area: 228,199 km²")


def test_area_over_180_degrees_comes_back_in_one_piece(page: Page, named_site: RunningSite) -> None:
    ports = [[178, 41], [-178, 42]]
    points = [{"type": "Point", "coordinates": place} for place in ports]
    path = named_site.home / "islands.geojson"
    features = [{"type": "Feature", "properties": {}, "geometry": point} for point in points]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    named_site.manage("addlayer", "islands", path)
    page.goto(f"{named_site.base}/#map=5/41/180&layers=islands&area=175,40,-175,43")
    expect(_tag(page, "estimate-text")).to_contain_text("2 features")
    size = _tag(page, "area-size")
    _tag(page, "submit").click()
    _tag(page, "clear-area").click()
    _tag(page, "change").click()
    expect(page).to_have_url(re.compile("area=175,40,185,43$"))
    expect(_tag(page, "draw-move")).to_be_enabled()
    slanting, hollow = "170,40;190,41;180,44", "170,40;190,40;190,44;181,42;170,44"
    for count, corners in enumerate((slanting, hollow), 2):
        before = size.inner_text()
        page.evaluate(f"location.hash = '#map=5/41/180&layers=islands&area={corners}'")
        expect(size).not_to_have_text(before)
        told = size.inner_text()
        _tag(page, "submit").click()
        expect(_tag(page, "change")).to_have_count(count)
        _tag(page, "clear-area").click()
        expect(page).not_to_have_url(re.compile("area="))
        _tag(page, "change").first.click()
        expect(page).to_have_url(re.compile("area=170,40;"))
        expect(size).to_have_text(told)


def test_area_beyond_the_map_is_taken(page: Page, named_site: RunningSite) -> None:
    _open(page, named_site)
    page.get_by_text("Type coordinates instead").click()
    for side, text in {"south": "86", "north": "89", "west": "10", "east": "20"}.items():
        _tag(page, f"bound-{side}").fill(text)
    _tag(page, "use-bounds").click()
    expect(page).to_have_url(re.compile("area=10,86,20,89$"))
    # Round the world, from wherever.
    page.evaluate("location.hash = '#layers=reefs&area=-130,-60,230,60'")
    expect(_tag(page, "bound-west")).to_have_value("-180")
    expect(_tag(page, "bound-east")).to_have_value("180")


def _paste(page: Page, text: str) -> None:
    _tag(page, "bound-west").evaluate(
        """(field, text) => {
            const clipboardData = new DataTransfer();
            clipboardData.setData("text", text);
            field.dispatchEvent(new ClipboardEvent("paste", {clipboardData, cancelable: true}));
        }""",
        text,
    )


def _expect_one_reef(page: Page, number: str) -> None:
    expect(_tag(page, "area-size")).to_contain_text(f"Récif {number} ")
    expect(_tag(page, "estimate-text")).to_contain_text("1 feature,")
    expect(page).to_have_url(re.compile("area=zones:"))


def _open(page: Page, site: RunningSite, view: str = "5/45/5") -> None:
    page.goto(f"{site.base}/#map={view}&layers=reefs")
    expect(_tag(page, "layer-reefs")).to_be_checked()


def _choose_file(page: Page, name: str, content: str) -> None:
    file = {"name": name, "mimeType": "text/plain", "buffer": content.encode()}
    _tag(page, "area-file").set_input_files(file)


def _drop_file(page: Page, name: str, content: str) -> None:
    script = """([name, content]) => {
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([content], name));
        for (const type of ["dragover", "drop"]) {
            const event = new DragEvent(type, {dataTransfer, bubbles: true, cancelable: true});
            document.querySelector("#map").dispatchEvent(event);
        }
    }"""
    page.evaluate(script, [name, content])


def _click_map(page: Page, right: int, down: int) -> None:
    x, y = _middle(page)
    page.mouse.click(x + right, y + down)


def _move_mouse(page: Page, right: int, down: int) -> None:
    x, y = _middle(page)
    page.mouse.move(x + right, y + down, steps=3)


def _place(page: Page, right: int, down: int) -> tuple[float, float]:
    """Return latitude and longitude of a place on the map, by the view in the address."""
    found = re.search(r"#map=([-\d.]+)/([-\d.]+)/([-\d.]+)", page.url)
    assert found is not None
    zoom, latitude, longitude = map(float, found.groups())
    # In radians on the sphere of Web Mercator.
    pixel = 2 * math.pi / 256 / 2**zoom
    y = math.asinh(math.tan(math.radians(latitude))) - down * pixel
    return math.degrees(math.atan(math.sinh(y))), longitude + math.degrees(right * pixel)


def _middle(page: Page) -> tuple[float, float]:
    frame = _tag(page, "map").bounding_box()
    assert frame is not None
    return frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2


def _tag(page: Page, name: str) -> Locator:
    return page.get_by_test_id(name)
