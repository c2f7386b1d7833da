"""The map: quiet at the start, true to what is ticked, healed without a reload."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import assert_sound
from tests.running_site import RunningSite, wait_for

pytestmark = pytest.mark.parametrize("prepared", ["sqlite"], indirect=True)

INDIGO = (0x33, 0x22, 0x88)
# A polygon's colour at 19 % over the sea's.
TINTS = {"indigo": [191, 196, 220], "rose": [219, 209, 217]}

MERCATOR = "http://www.opengis.net/def/crs/EPSG/0/3857"
# Whether anything is on the map: sea is the page's own colour.
_IS_DRAWN = """() => [...document.querySelectorAll('#page-map canvas')].some((canvas) => {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return data.some((value, n) => n % 4 === 3 && value > 0);
})"""


def test_nothing_is_on_the_map_until_it_is_ticked(page: Page, drawn_site: RunningSite) -> None:
    drawings: list[str] = []
    page.on("request", lambda request: drawings.append(request.url.rpartition("/")[2]))
    with page.expect_response(re.compile(r"/seas\.[^/]*json$")) as seas:
        page.goto(drawn_site.base)
    assert seas.value.ok
    _zoom_to(page, "reefs")
    expect(_tag(page, "layer-reefs")).not_to_be_checked()
    expect(_tag(page, "map-loading")).to_be_hidden()
    assert not [name for name in drawings if name.endswith(".pmtiles")]
    _tag(page, "layer-reefs").check()
    wait_for(lambda: _is_seen(page, "indigo"), "the reefs on the map")
    _tag(page, "layer-reefs").uncheck()
    wait_for(lambda: not _is_seen(page, "indigo"), "a map without the reefs")
    assert {name.partition("-")[0] for name in drawings if name.endswith(".pmtiles")} == {"reefs"}


def test_ticked_layers_look_unlike_and_lines_lie_on_polygons(
    page: Page, drawn_site: RunningSite
) -> None:
    page.goto(drawn_site.base)
    _zoom_to(page, "reefs")
    # The polygons come last, and belong below all the same.
    _tag(page, "layer-coastline").check()
    _tag(page, "layer-reefs").check()
    wait_for(lambda: _is_seen(page, "rose"), "the reefs on the map, in another colour")
    # A line below the tint would be 30 away at the least.
    wait_for(lambda: _nearest_to_indigo(page) < 12, "a line on the reefs")


def test_tile_is_painted_once_for_all_copies_of_the_world(
    page: Page, drawn_site: RunningSite
) -> None:
    page.add_init_script(_PAINTED)
    # The reefs lie at 5 degrees east: at the left edge, of the world whose next copy is seen.
    page.goto(f"{drawn_site.base}/#map=1.8/45/165&layers=reefs")
    wait_for(lambda: _is_indigo_seen(page), "the reefs in one copy of the world")
    page.evaluate("location.hash = '#map=1.8/45/195&layers=reefs'")
    wait_for(lambda: _is_indigo_seen(page, is_right=True), "the reefs in the other copy")
    assert page.evaluate("painted.size") == 1


def test_browser_can_draw_between_the_map_and_the_form(page: Page, drawn_site: RunningSite) -> None:
    page.add_init_script(_AT_THE_MAP)
    page.goto(drawn_site.base)
    expect(_tag(page, "layer-reefs")).to_be_visible()
    assert page.evaluate("isFormThere") is False
    assert page.evaluate("document.getElementById('estimate').childElementCount > 0")


def test_lines_of_degrees_are_on_the_map_for_who_wishes_them(
    page: Page, drawn_site: RunningSite
) -> None:
    # Nothing but sea, and no lines upon it.
    page.goto(f"{drawn_site.base}/#map=8/-40/-120")
    expect(_tag(page, "layer-reefs")).to_be_visible()
    wait_for(lambda: _is_plain(page), "a sea without lines")
    switch = page.get_by_role("button", name="Lines of longitude and latitude")
    expect(switch).to_have_attribute("aria-pressed", "false")
    switch.press("Enter")
    wait_for(lambda: not _is_plain(page), "lines and their degrees")
    page.reload()
    expect(switch).to_have_attribute("aria-pressed", "true")
    wait_for(lambda: not _is_plain(page), "lines and their degrees after a reload")
    switch.press("Enter")
    wait_for(lambda: _is_plain(page), "a sea without lines again")


def test_layer_is_laid_lower_and_stays_there(page: Page, drawn_site: RunningSite) -> None:
    page.goto(drawn_site.base)
    _zoom_to(page, "reefs")
    _tag(page, "layer-coastline").check()
    _tag(page, "layer-reefs").check()
    wait_for(lambda: _is_seen(page, "rose"), "the reefs on the map, in another colour")
    wait_for(lambda: _nearest_to_indigo(page) < 12, "the lines above")
    _tag(page, "about-coastline").click()
    lower = page.get_by_role("button", name="Lay lower: coastline")
    lower.press("Enter")
    # A line below the tint is mixed with it.
    wait_for(lambda: 12 < _nearest_to_indigo(page) < 80, "the lines below")
    # It can go no lower, and the keyboard is on what is left to do.
    expect(lower).to_be_disabled()
    expect(page.get_by_role("button", name="Lay higher: coastline")).to_be_focused()
    expect(page).to_have_url(re.compile("&order=coastline,reefs(&|$)"))
    page.reload()
    wait_for(lambda: 12 < _nearest_to_indigo(page) < 80, "the lines below after a reload")


def test_names_are_on_the_map_where_they_are_wanted(page: Page, drawn_site: RunningSite) -> None:
    asked: list[str] = []
    page.on("request", lambda each: asked.append(each.url) if "/items?" in each.url else None)
    page.goto(drawn_site.base)
    _zoom_to(page, "reefs")
    _tag(page, "layer-reefs").check()
    wait_for(lambda: _is_seen(page, "indigo"), "the reefs on the map")
    expect(_tag(page, "map-loading")).to_be_hidden()
    assert asked == []
    _tag(page, "names-reefs").check()
    wait_for(lambda: _ink(page) > 500, "names on the map")
    # Of names and nothing else; what is known is not asked again.
    assert all("?properties=name&limit=200&bbox=" in address for address in asked)
    count = len(asked)
    expect(page).to_have_url(re.compile("&names=reefs(&|$)"))
    _tag(page, "names-reefs").uncheck()
    wait_for(lambda: _ink(page) == 0, "a map without names")
    _tag(page, "names-reefs").check()
    wait_for(lambda: _ink(page) > 500, "the names again")
    assert len(asked) == count
    # Its fields have no names.
    _tag(page, "layer-ports").check()
    _tag(page, "about-ports").click()
    expect(_tag(page, "names-ports")).to_be_hidden()


def test_names_are_given_up_where_the_map_moves_on(page: Page, drawn_site: RunningSite) -> None:
    held: list[Route] = []
    page.route("**/items?properties=**", lambda route: held.append(route))
    page.goto(drawn_site.base)
    _zoom_to(page, "reefs")
    _tag(page, "layer-reefs").check()
    with page.expect_request("**/items?properties=**"):
        _tag(page, "names-reefs").check()
    with page.expect_event("requestfailed", lambda each: "/items?properties=" in each.url):
        _tag(page, "map").press("ArrowRight")
    page.unroute("**/items?properties=**")
    # Asked for once more, where the map is now.
    _tag(page, "map").press("ArrowLeft")
    wait_for(lambda: _ink(page) > 500, "names on the map")


def test_page_says_that_it_loads_until_layers_are_known(
    page: Page, drawn_site: RunningSite
) -> None:
    held: list[Route] = []
    page.route("**/api/collections*", lambda route: held.append(route))
    page.goto(f"{drawn_site.base}/#area=0,40,5,45")
    expect(_tag(page, "area-size")).to_contain_text("km²")
    wait_for(lambda: (page.title(), held)[1], "a question for the layers")
    expect(page.locator("#layers")).to_have_text("Loading the layers …")
    expect(_tag(page, "map-loading")).to_be_visible()
    for route in held:
        route.continue_()
    page.unroute("**/api/collections*")
    expect(_tag(page, "layer-ports")).to_be_visible()
    expect(_tag(page, "map-loading")).to_be_hidden()


def test_layer_that_lies_elsewhere_is_offered_to_be_gone_to(
    page: Page, drawn_site: RunningSite
) -> None:
    page.goto(drawn_site.base)
    _tag(page, "layer-ports").check()
    # Ten degrees are less than a twelfth of the world.
    expect(page.get_by_text("Is a speck on this map.")).to_be_visible()
    go = page.get_by_role("button", name="Go there: ports")
    go.press("Enter")
    expect(go).to_be_hidden()
    expect(_tag(page, "layer-ports")).to_be_focused()
    for _ in range(30):
        _tag(page, "map").press("ArrowRight")
    expect(page.get_by_text("Lies elsewhere on the map.", exact=True)).to_be_visible()
    _tag(page, "layer-ports").uncheck()
    expect(go).to_be_hidden()


def test_page_of_the_api_has_a_map_of_what_it_shows(page: Page, drawn_site: RunningSite) -> None:
    for path in (
        "collections/reefs?f=html",
        # The map is in degrees, and as long as the table, whatever is asked for.
        f"collections/reefs/items?f=html&limit=5000&crs={MERCATOR}",
        "collections/reefs/items/1?f=html",
    ):
        page.goto(f"{drawn_site.base}/api/{path}")
        place = page.get_by_role("application", name="Map of the features")
        expect(place).to_be_visible()
        page.wait_for_function(_IS_DRAWN)
        expect(page.locator("figure svg")).to_have_count(0)
        place.focus()
        expect(place).to_be_focused()


def test_operator_sees_a_layer_and_uploads_another_over_a_bad_line(
    page: Page, drawn_site: RunningSite, marine_gpkg: Path, axe: str
) -> None:
    drawn_site.manage(
        "shell",
        "--command",
        "from django.contrib.auth.models import User\n"
        "User.objects.create_superuser('operator', password='a long password')",
    )
    layers = f"{drawn_site.base}/admin/catalogue/layer/"
    page.goto(f"{layers}reefs/change/")
    page.fill("#id_username", "operator")
    page.fill("#id_password", "a long password")
    page.click("input[type=submit]")
    expect(page.get_by_role("application", name="Map of the layer")).to_be_visible()
    page.wait_for_function(_IS_DRAWN.replace("#page-map", ".page-map"))
    page.goto(f"{layers}data/")
    page.evaluate(axe)
    assert_sound(page, "where the data are")
    # In many pieces, of which the second is lost on its way.
    page.evaluate("document.getElementById('upload').dataset.piece = 20000")
    pieces: list[str] = []

    def lose_the_second(route: Route) -> None:
        pieces.append(route.request.url.partition("offset=")[2])
        route.abort() if len(pieces) == 2 else route.continue_()

    page.route("**/piece/**", lose_the_second)
    page.set_input_files("#upload-file", marine_gpkg)
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("status")).to_contain_text("waits to be looked at")
    assert pieces[:4] == ["0", "20000", "20000", "40000"]


def test_page_of_the_api_is_whole_without_a_script(page: Page, drawn_site: RunningSite) -> None:
    plain = page.context.browser.new_context(java_script_enabled=False).new_page()
    plain.goto(f"{drawn_site.base}/api/collections/reefs/items?f=html")
    expect(plain.locator("figure svg")).to_be_visible()
    expect(plain.locator("#page-map")).to_be_hidden()
    expect(plain.locator("main tbody tr")).not_to_have_count(0)


def test_drawing_that_cannot_be_read_is_told_and_tried_again(
    page: Page, drawn_site: RunningSite
) -> None:
    page.goto(drawn_site.base)
    page.route("**/*.pmtiles", lambda route: route.fulfill(status=500))
    _zoom_to(page, "reefs")
    _tag(page, "layer-reefs").check()
    expect(page.get_by_text("Cannot be shown at the moment")).to_be_visible()
    expect(_tag(page, "map-loading")).to_be_hidden()
    page.unroute("**/*.pmtiles")
    wait_for(lambda: _is_seen(page, "indigo"), "the reefs on the map")
    expect(page.get_by_text("Cannot be shown at the moment")).to_be_hidden()


def test_data_that_change_are_seen_without_a_reload(
    page: Page, drawn_site: RunningSite, tmp_path: Path
) -> None:
    wrecks = tmp_path / "wrecks.gpkg"
    _write_square(wrecks, west=0)
    drawn_site.manage("addlayer", "wrecks", wrecks)
    drawn_site.manage("drawlayers")
    page.goto(drawn_site.base)
    _zoom_to(page, "reefs")
    _tag(page, "layer-wrecks").check()
    wait_for(lambda: _is_tinted(page, longitude=1), "the first square")
    expect(_tag(page, "field-wrecks-wreck_id")).to_have_count(1)
    _write_square(wrecks, west=6, field="hull_id")
    drawn_site.manage("refreshlayers")
    drawn_site.manage("drawlayers")
    # As for a person who comes back to the tab; else it takes a quarter of a minute.
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    wait_for(lambda: _is_tinted(page, longitude=7), "the second square")
    wait_for(lambda: not _is_tinted(page, longitude=1), "a map without the first")
    expect(_tag(page, "field-wrecks-hull_id")).to_have_count(1)
    expect(_tag(page, "field-wrecks-wreck_id")).to_have_count(0)
    drawn_site.manage("removelayer", "wrecks")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(_tag(page, "layer-wrecks")).to_have_count(0)
    # Who had ticked it is told, whatever they look at.
    expect(_tag(page, "banner")).to_contain_text("no longer ticked: wrecks")


def test_layers_stand_below_their_themes(page: Page, drawn_site: RunningSite) -> None:
    drawn_site.manage(
        "shell",
        "--command",
        "from marinemap.catalogue.models import Layer\n"
        "Layer.objects.filter(pk='ports').update(theme='Harbours')\n"
        "Layer.objects.filter(pk='reefs').update(theme='Habitats')\n",
    )
    page.goto(drawn_site.base)
    headings = page.locator(".theme-title")
    expect(headings).to_have_text(["Habitats", "Harbours", "Other layers"])
    expect(page.get_by_role("list", name="Habitats").get_by_role("checkbox")).to_have_count(1)


def _tag(page: Page, name: str) -> Locator:
    return page.get_by_test_id(name)


def _zoom_to(page: Page, layer: str) -> None:
    _tag(page, f"about-{layer}").click()
    _tag(page, f"zoom-{layer}").click()
    # The map glides there; the address has its middle once it has come to rest.
    expect(page).to_have_url(re.compile(r"#map=[^/]+/[^/]+/5(&|$)"))


def _is_seen(page: Page, colour: str) -> bool:
    """Tell whether a good part of the map is tinted in a colour, on the sea."""
    tinted: bool = page.evaluate(f"({_TINTED})({TINTS[colour]})")
    return tinted


def _is_tinted(page: Page, longitude: float) -> bool:
    """Tell whether the map is tinted in indigo along a meridian."""
    tint = np.array(TINTS["indigo"])
    return bool((np.abs(_colours_along(page, longitude) - tint).max(axis=1) < 8).sum() > 50)


def _nearest_to_indigo(page: Page) -> float:
    """Return how far the colour of the lines is from indigo: ten, each through a row of reefs."""
    return min(math.dist(colour, INDIGO) for colour in _colours_along(page, longitude=0.25))


def _is_indigo_seen(page: Page, is_right: bool = False) -> bool:
    """Tell whether anything of that colour is on the left half of the map, or the right one."""
    frame = _tag(page, "map").bounding_box()
    assert frame is not None
    half, height = int(frame["width"]) // 2, int(frame["height"])
    seen: bool = page.evaluate(f"({_INDIGO})({half if is_right else 0}, {half}, {height})")
    return seen


def _ink(page: Page) -> int:
    """Return how many pixels of the map are as dark as letters."""
    frame = _tag(page, "map").bounding_box()
    assert frame is not None
    dark: int = page.evaluate(f"({_INK})({int(frame['width'])}, {int(frame['height'])})")
    return dark


def _is_plain(page: Page) -> bool:
    """Tell whether the map is of one colour."""
    frame = _tag(page, "map").bounding_box()
    assert frame is not None
    plain: bool = page.evaluate(f"({_PLAIN})({int(frame['width'])}, {int(frame['height'])})")
    return plain


def _colours_along(page: Page, longitude: float) -> np.ndarray:
    """Return the pixels along a meridian of a map that shows the reefs."""
    frame = _tag(page, "map").bounding_box()
    assert frame is not None
    # The page leaves 30 pixels around; heights are those of Mercator, in degrees.
    tall = math.degrees(_mercator(49.9) - _mercator(40.1))
    degrees = max(9.8 / (frame["width"] - 60), tall / (frame["height"] - 60))
    x = round(frame["width"] / 2 + (longitude - 5) / degrees)
    drawn = page.evaluate(f"({_DRAWN})({x}, 0, 1, {int(frame['height'])})")
    return np.array(drawn, float).reshape(-1, 4)[:, :3]


def _mercator(latitude: float) -> float:
    return math.asinh(math.tan(math.radians(latitude)))


# What the map has drawn, on the colour of the sea, four numbers a pixel.
_DRAWN = """(x, y, width, height) => {
    const canvas = document.querySelector("#map .ol-layer canvas");
    const copy = new OffscreenCanvas(width, height).getContext("2d");
    copy.fillStyle = "#dfeaf0";
    copy.fillRect(0, 0, width, height);
    if (canvas?.width) copy.drawImage(canvas, -x, -y);
    return Array.from(copy.getImageData(0, 0, width, height).data);
}"""

# Told at the end of the script that makes the map, before the browser does anything else.
_AT_THE_MAP = """
    const place = () => document.getElementById("estimate");
    new MutationObserver((_, observer) => {
        if (!document.querySelector("#map .ol-viewport")) return;
        observer.disconnect();
        window.isFormThere = place().childElementCount > 0;
    }).observe(document, {childList: true, subtree: true});
"""

# The tiles that areas were painted on: unlike the map's own, their canvases are in no document.
_PAINTED = """
    window.painted = new Set();
    const fill = CanvasRenderingContext2D.prototype.fill;
    CanvasRenderingContext2D.prototype.fill = function (...given) {
        if (!this.canvas.isConnected && this.canvas.width > 200) painted.add(this.canvas);
        return fill.apply(this, given);
    };
"""

_TINTED = f"""(colour) => {{
    const seen = ({_DRAWN})(300, 300, 300, 200);
    let tinted = 0;
    for (let at = 0; at < seen.length; at += 4) {{
        tinted += colour.every((part, n) => Math.abs(part - seen[at + n]) < 8);
    }}
    return tinted > 1000;
}}"""


_PLAIN = f"""(width, height) => {{
    const seen = ({_DRAWN})(0, 0, width, height);
    return seen.every((part, at) => part === seen[at % 4]);
}}"""

_INDIGO = f"""(x, width, height) => {{
    const seen = ({_DRAWN})(x, 0, width, height);
    return seen.some((part, at) => at % 4 === 2 && part - seen[at - 1] > 20);
}}"""

# Counted there: a million numbers take their time on the way.
_INK = f"""(width, height) => {{
    const seen = ({_DRAWN})(0, 0, width, height);
    let dark = 0;
    for (let at = 0; at < seen.length; at += 4) {{
        dark += Math.max(seen[at], seen[at + 1], seen[at + 2]) < 70;
    }}
    return dark;
}}"""


def _write_square(path: Path, west: float, field: str = "wreck_id") -> None:
    pyogrio.raw.write(
        path,
        shapely.to_wkb(np.array([shapely.box(west, 41, west + 3, 49)], object)),
        field_data=[np.array([1])],
        fields=[field],
        geometry_type="Polygon",
        crs="EPSG:4326",
    )
