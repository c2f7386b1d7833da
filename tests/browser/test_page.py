"""The page in a real browser: draw, choose, ask, download."""

from __future__ import annotations

import re
import signal
import zipfile
from collections.abc import Callable
from pathlib import Path

import fiona
import pytest
import requests
from playwright.sync_api import Locator, Page, expect
from shapely.geometry import box, shape

from tests.running_site import RunningSite

MakeSite = Callable[..., RunningSite]

# The page is the same on every database; SQLite is the one that people start with.
pytestmark = pytest.mark.parametrize("prepared", ["sqlite"], indirect=True)


def test_person_draws_a_rectangle_and_downloads_its_shapefiles(
    page: Page, working_site: RunningSite, tmp_path: Path
) -> None:
    page.goto(working_site.base)
    _zoom_to_reefs(page)
    expect(_tag(page, "submit")).to_be_disabled()
    _drag_rectangle(page)
    _tag(page, "layer-reefs").check()
    _tag(page, "crs").select_option("EPSG:3857")
    _tag(page, "submit").click()
    with page.expect_download() as download:
        _tag(page, "download").first.click()
    archive = tmp_path / "reefs.zip"
    download.value.save_as(archive)
    assert "reefs.shp" in zipfile.ZipFile(archive).namelist()
    with fiona.open(f"zip://{archive}!reefs.shp") as source:
        assert source.crs.to_epsg() == 3857
        assert 0 < len(source) < 100


def test_typed_coordinates_give_exactly_that_area(
    page: Page, working_site: RunningSite, tmp_path: Path
) -> None:
    page.goto(working_site.base)
    _type_bounds(page, west=2, south=42, east=4, north=43)
    _tag(page, "layer-ports").check()
    _tag(page, "submit").click()
    with page.expect_download() as download:
        _tag(page, "download").first.click()
    archive = tmp_path / "ports.zip"
    download.value.save_as(archive)
    with fiona.open(f"zip://{archive}!ports.shp") as source:
        points = [shape(feature.geometry) for feature in source]
    # One port in the middle of each cell of one degree.
    assert len(points) == 2
    assert all(box(2, 42, 4, 43).contains(point) for point in points)


def test_person_chooses_a_format_and_whole_features(
    page: Page, working_site: RunningSite, tmp_path: Path
) -> None:
    page.goto(working_site.base)
    # The east side cuts the second reef in two.
    _type_bounds(page, west=0, south=40, east=1.5, north=41)
    _tag(page, "layer-reefs").check()
    page.get_by_label("Format", exact=True).select_option("geopackage")
    page.get_by_role("radio", name="Cut features").press("ArrowRight")
    expect(page.get_by_role("radio", name="Keep them whole")).to_be_checked()
    page.get_by_role("button", name="Get GeoPackage").click()
    expect(_tag(page, "request-row")).to_contain_text("whole features")
    with page.expect_download() as download:
        _tag(page, "download").first.click()
    archive = tmp_path / "reefs.zip"
    download.value.save_as(archive)
    assert "reefs.shp" not in zipfile.ZipFile(archive).namelist()
    with fiona.open(f"zip://{archive}!reefs.gpkg") as source:
        assert len(source) == 2
        assert source.bounds[2] == pytest.approx(1.9)


def test_formats_are_those_that_the_service_describes(page: Page, drawn_site: RunningSite) -> None:
    page.goto(drawn_site.base)
    select = page.get_by_label("Format", exact=True)
    description = requests.get(f"{drawn_site.base}/api/processes/extract", timeout=120).json()
    told = description["inputs"]["format"]
    formats = told["schema"]["oneOf"]
    in_degrees = {each["name"] for each in told["additionalParameters"]["parameters"]}
    expect(select.locator("option")).to_have_text([schema["title"] for schema in formats])
    for schema in formats:
        select.select_option(label=schema["title"])
        expect(select).to_have_value(schema["enum"][0])
        expect(select).to_have_accessible_description(schema["description"])
        is_free = schema["enum"][0] not in in_degrees
        expect(_tag(page, "crs")).to_be_enabled(enabled=is_free)


def test_count_and_losses_are_told_before_sending(page: Page, drawn_site: RunningSite) -> None:
    page.goto(drawn_site.base)
    estimate = _tag(page, "estimate")
    expect(_tag(page, "estimate-text")).to_be_empty()
    _type_bounds(page, west=0, south=40, east=5, north=45)
    _tag(page, "layer-reefs").check()
    expect(estimate).to_contain_text("25 features, about")
    page.get_by_text("Layer by layer, 1 note").press("Enter")
    layers = _tag(page, "estimate-layers")
    expect(layers.locator("dd").last).to_have_text("'habitat_class' would be named 'habitat_cl'.")
    _tag(page, "layer-coastline").check()
    expect(estimate).to_contain_text("30 features, about")
    expect(layers.locator("dt")).to_have_text(["coastline", "reefs"])
    expect(layers.locator("dd").first).to_contain_text("5 features, ")
    _tag(page, "format").select_option("flatgeobuf")
    expect(page.get_by_text("Layer by layer", exact=True)).to_be_visible()
    expect(layers).not_to_contain_text("habitat_cl'")
    _tag(page, "clear-area").click()
    expect(_tag(page, "estimate-details")).to_be_hidden()
    expect(_tag(page, "estimate-text")).to_be_empty()
    assert not list((drawn_site.home / "artifacts").glob("*"))


def test_format_in_degrees_leaves_no_coordinate_system_to_choose(
    page: Page, drawn_site: RunningSite
) -> None:
    page.goto(drawn_site.base)
    _type_bounds(page, west=0, south=40, east=5, north=45)
    _tag(page, "layer-ports").check()
    _tag(page, "crs").select_option("EPSG:3857")
    page.get_by_label("Format", exact=True).select_option("geojson")
    expect(page.get_by_label("Coordinate system", exact=True)).to_be_disabled()
    expect(page.get_by_text("always in degrees")).to_be_visible()
    page.get_by_role("button", name="Get GeoJSON").click()
    expect(_tag(page, "request-choices")).to_contain_text("GeoJSON · ")
    expect(_tag(page, "request-choices")).not_to_contain_text("EPSG")
    page.get_by_label("Format", exact=True).select_option("csv")
    expect(_tag(page, "crs")).to_be_enabled()
    expect(_tag(page, "crs")).to_have_value("EPSG:3857")


def test_mistake_is_told_once_beside_the_part_of_the_form_at_fault(
    page: Page, drawn_site: RunningSite
) -> None:
    page.goto(drawn_site.base)
    _type_bounds(page, west=100, south=10, east=101, north=11)
    _tag(page, "layer-reefs").check()
    problem = _tag(page, "problem-area")
    # Before it is sent, and after.
    expect(problem).to_contain_text("outside of every layer")
    expect(_tag(page, "estimate")).to_contain_text("see above")
    _tag(page, "submit").click()
    expect(problem).to_contain_text("outside of every layer")
    expect(page.get_by_text("outside of every layer")).to_have_count(1)
    _tag(page, "crs").select_option("other")
    _tag(page, "crs-code").fill("9999")
    # Right by now, so that the next is at fault.
    _tag(page, "undo-area").click()
    _type_again(page, west=0, south=40, east=5, north=45)
    expect(problem).to_be_hidden()
    expect(_tag(page, "problem-crs")).to_contain_text("9999")
    expect(_tag(page, "crs")).to_have_attribute("aria-invalid", "true")
    _tag(page, "crs").select_option("EPSG:3857")
    expect(_tag(page, "problem-crs")).to_be_hidden()
    expect(_tag(page, "crs")).not_to_have_attribute("aria-invalid", "true")


def test_limit_that_is_passed_is_told_with_the_way_out(page: Page, make_site: MakeSite) -> None:
    site = make_site(MARINEMAP_MAX_RUN_FEATURES="10", MARINEMAP_MAX_WAITING_PERSON="1")
    site.start_web()
    page.goto(site.base)
    _type_bounds(page, west=0, south=40, east=5, north=45)
    _tag(page, "layer-reefs").check()
    notes = _tag(page, "estimate-notes")
    expect(notes).to_contain_text("would have over 10 features")
    expect(notes).to_contain_text("That is 2.5 times too much.")
    _type_again(page, west=0, south=40, east=2, north=42)
    expect(notes).to_be_empty()
    _tag(page, "submit").click()
    expect(_tag(page, "request-row")).to_have_count(1)
    _type_again(page, west=0, south=40, east=2, north=41)
    expect(notes).to_contain_text("1 of 1 jobs. Wait until one has ended, or cancel one.")


def test_lost_connection_is_told_and_heals_by_itself(page: Page, make_site: MakeSite) -> None:
    site = make_site()
    site.start_web()
    page.goto(site.base)
    _type_bounds(page, west=0, south=40, east=5, north=45)
    _tag(page, "layer-reefs").check()
    expect(_tag(page, "estimate-text")).to_contain_text("25 features")
    expect(_tag(page, "offline")).to_be_hidden()
    site.signal("web", signal.SIGKILL)
    # Though nothing is asked for; where nobody uses the page it is noticed after 30 s.
    expect(_tag(page, "offline")).to_be_visible(timeout=25_000)
    _tag(page, "submit").click()
    expect(_tag(page, "submit-reason")).to_contain_text("No answer came.")
    expect(_tag(page, "banner")).to_be_hidden()
    site.start_web()
    expect(_tag(page, "offline")).to_be_hidden()
    expect(_tag(page, "estimate-text")).to_contain_text("25 features")
    # The connection comes back by itself, the request does not: nobody else would tell.
    expect(_tag(page, "submit-reason")).to_contain_text("No answer came.")
    _tag(page, "submit").click()
    expect(_tag(page, "request-row")).to_have_count(1)
    expect(_tag(page, "submit-reason")).to_be_empty()
    page.context.set_offline(True)
    expect(_tag(page, "offline")).to_be_visible(timeout=25_000)
    square = {"name": "square.wkt", "mimeType": "text/plain", "buffer": b"POINT (1 41)"}
    _tag(page, "area-file").set_input_files(square)
    expect(_tag(page, "problem-area")).to_contain_text("square.wkt was not read")
    _tag(page, "cancel").click()
    expect(_tag(page, "request-problem")).to_be_visible()
    page.context.set_offline(False)
    expect(_tag(page, "offline")).to_be_hidden()
    # Nothing says any more that there is no connection.
    expect(_tag(page, "request-problem")).to_have_count(0)


def test_request_is_kept_over_a_reload_and_can_be_cancelled(
    page: Page, drawn_site: RunningSite
) -> None:
    page.goto(drawn_site.base)
    expect(_tag(page, "paused")).to_be_visible()
    _zoom_to_reefs(page)
    _drag_rectangle(page)
    _tag(page, "layer-reefs").check()
    _tag(page, "submit").click()
    expect(_tag(page, "request-state")).to_contain_text("Waiting")
    page.reload()
    expect(_tag(page, "request-row")).to_have_count(1)
    _tag(page, "cancel").click()
    expect(_tag(page, "request-state")).to_contain_text("Cancelled")


def _tag(page: Page, name: str) -> Locator:
    return page.get_by_test_id(name)


def _zoom_to_reefs(page: Page) -> None:
    _tag(page, "about-reefs").click()
    _tag(page, "zoom-reefs").click()
    # The map glides there; the address has its middle once it has come to rest.
    expect(page).to_have_url(re.compile(r"#map=[^/]+/[^/]+/5(&|$)"))


def _type_bounds(page: Page, **degrees: float) -> None:
    page.get_by_text("Type coordinates instead").click()
    _type_again(page, **degrees)


def _type_again(page: Page, **degrees: float) -> None:
    for side, number in degrees.items():
        _tag(page, f"bound-{side}").fill(str(number))
    _tag(page, "use-bounds").click()


def _drag_rectangle(page: Page) -> None:
    """Draw across the middle of the map, which shows the reefs."""
    frame = _tag(page, "map").bounding_box()
    assert frame is not None
    _tag(page, "draw-rectangle").click()
    x, y = frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2
    page.mouse.move(x - 100, y - 80)
    page.mouse.down()
    page.mouse.move(x, y, steps=4)
    page.mouse.move(x + 100, y + 80, steps=4)
    page.mouse.up()
    expect(_tag(page, "area-size")).to_contain_text("km²")
