"""The process ``estimate``: held against what ``extract`` then makes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from marinemap.catalogue.models import Layer
from marinemap.catalogue.registration import register
from marinemap.errors import RequestError
from marinemap.extraction import RunLimits
from marinemap.processes import estimate, extract
from marinemap.processes.at_once import run_at_once
from marinemap.processes.process import RunContext

pytestmark = pytest.mark.django_db
AREA = [0, 40, 1.5, 41.5]


def estimated(**changes: Any) -> dict[str, Any]:
    inputs = {"layers": ["reefs"], "area": AREA, **changes}
    found: dict[str, Any] = run_at_once(estimate.PROCESS, inputs)["estimate"]
    return found


@pytest.mark.parametrize(
    ("changes", "features"),
    [
        ({}, 4),
        ({"mode": "within"}, 1),
        ({"filter": "depth_m > 0.5"}, 2),
        ({"layers": [{"name": "reefs", "filter": "reef_id = 1"}], "format": "csv"}, 1),
        ({"filter": "depth_m > 1000"}, 0),
    ],
    ids=repr,
)
def test_estimate_tells_what_the_extract_then_gives(
    reefs: Layer, tmp_path: Path, changes: dict[str, Any], features: int
) -> None:
    found = estimated(**changes)
    assert (found["features"], found["exact"]) == (features, True)
    assert found["features_at_least"] == found["features_at_most"] == features
    inputs = extract.check({"layers": ["reefs"], "area": AREA, **changes})
    extract.run(inputs, RunContext(tmp_path, tmp_path / "a.zip", lambda *_: None))
    made = extract.run(inputs, RunContext(tmp_path, tmp_path / "a.zip", lambda *_: None))
    noun = "feature" if features == 1 else "features"
    assert made.message.startswith(f"reefs: {features} {noun}.")


def test_layers_are_told_one_by_one_and_together(reefs: Layer, marine_gpkg: Path, db: None) -> None:
    register("ports", marine_gpkg, "ports")
    found = estimated(layers=["reefs", "ports"])
    one, other = found["layers"]
    assert (one["name"], other["name"]) == ("reefs", "ports")
    for figure in ("features", "features_at_least", "features_at_most", "size_bytes"):
        assert found[figure] == one[figure] + other[figure] > 0
    assert "'habitat_class' would be named 'habitat_cl'." in one["warnings"]
    assert json.loads(json.dumps(found)) == found


def test_answer_has_what_its_description_says(reefs: Layer) -> None:
    schema = estimate.PROCESS.outputs["estimate"]["schema"]
    found = estimated()
    assert set(found) == set(schema["properties"]) == set(schema["required"])
    item = schema["properties"]["layers"]["items"]
    assert set(found["layers"][0]) == set(item["properties"]) == set(item["required"])


def test_repair_of_the_area_is_told(reefs: Layer) -> None:
    bow_tie = {"type": "Polygon", "coordinates": [[[0, 40], [2, 42], [2, 40], [0, 42], [0, 40]]]}
    assert "repaired" in estimated(area=bow_tie)["notes"][0]


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        (RunLimits(), []),
        (RunLimits(features=4, file_bytes=1e6), []),
        (RunLimits(features=3), ["This would have over 3 features"]),
        (RunLimits(file_bytes=100), ["This would likely have over 100 bytes before zipping"]),
    ],
    ids=repr,
)
def test_limits_of_a_run_are_told_before_it(
    reefs: Layer, limits: RunLimits, told: list[str]
) -> None:
    inputs = {"layers": ["reefs"], "area": AREA}
    notes = run_at_once(estimate.PROCESS, inputs, limits=limits)["estimate"]["notes"]
    assert [note.split(",")[0] for note in notes] == told


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"layers": ["reef"]}, "layers"),
        ({"area": [60, 0, 61, 1]}, "area"),
        ({"mode": "cut"}, "mode"),
        ({"format": "gpkg"}, "format"),
        ({"fields": ["nmae"]}, "fields"),
        ({"filter": "dept_m > 1"}, "filter"),
        ({"crs": "EPSG:3851"}, "crs"),
        ({"full_copy": "no"}, "full_copy"),
        ({"fromat": "csv"}, "fromat"),
    ],
    ids=repr,
)
def test_what_the_extract_refuses_is_refused(
    reefs: Layer, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(RequestError) as caught:
        estimated(**changes)
    assert caught.value.field == field
