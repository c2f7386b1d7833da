"""What a process description offers: the layers that somebody may see, within bounds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from marinemap.catalogue.models import Layer
from marinemap.catalogue.registration import register
from marinemap.catalogue.viewers import EVERYONE, OPERATOR
from marinemap.processes.registry import get_process
from marinemap.processes.values import check_value
from tests.api.standards import check_process_schema

pytestmark = pytest.mark.django_db


@pytest.fixture
def reefs(marine_gpkg: Path) -> Layer:
    return register("reefs", marine_gpkg, "reefs")[0]


def layers_of(inputs: Any) -> dict[str, Any]:
    schema: dict[str, Any] = inputs["layers"]["schema"]
    return schema


@pytest.mark.parametrize("process", ["extract", "estimate"])
def test_layers_are_offered_with_title_and_fields(reefs: Layer, process: str) -> None:
    Layer.objects.update(title="Reefs of the small sea")
    inputs = get_process(process).inputs_for(EVERYONE)
    named, chosen = layers_of(inputs)["items"]["oneOf"]
    assert (named["enum"], named["title"]) == (["reefs"], "Reefs of the small sea")
    fields = chosen["properties"]["fields"]["items"]["enum"]
    assert fields == ["reef_id", "name", "habitat_class", "depth_m"]
    assert inputs["crs"]["schema"]["anyOf"][0]["enum"] == ["EPSG:4326", "EPSG:3857"]
    # What is offered is what is taken.
    check_value(layers_of(inputs), ["reefs"], "layers")
    check_value(layers_of(inputs), [{"name": "reefs", "fields": ["name"]}], "layers")


def test_what_one_may_not_see_is_not_offered(reefs: Layer) -> None:
    Layer.objects.update(is_restricted=True)
    extract = get_process("extract")
    assert "reefs" not in json.dumps(extract.inputs_for(EVERYONE)["layers"]["schema"])
    assert "habitat_class" not in json.dumps(extract.inputs_for(EVERYONE))
    assert "reefs" in json.dumps(extract.inputs_for(OPERATOR)["layers"]["schema"])


@pytest.mark.parametrize(("count", "is_listed"), [(500, True), (1_500, False)])
def test_many_layers_make_no_huge_description(reefs: Layer, count: int, is_listed: bool) -> None:
    fields = [{"name": f"field_{n}", "type": "str"} for n in range(1_000)]
    columns = {n: getattr(reefs, n) for n in ("source", "source_layer", "crs", "version")}
    columns |= {"geometry_type": "Point", "feature_count": 1, "fields": fields}
    Layer.objects.bulk_create(
        Layer(id=f"layer-{n}", title=f"T {n}", **columns) for n in range(count)
    )
    inputs = get_process("extract").inputs_for(EVERYONE)
    text = json.dumps(inputs)
    assert len(text) < 50_000
    assert ("layer-123" in text) is is_listed
    check_value(layers_of(inputs), ["layer-7"], "layers")


def test_description_with_many_fields_fits_the_standard(reefs: Layer) -> None:
    Layer.objects.update(fields=[{"name": f"field {n}", "type": "str"} for n in range(1_000)])
    process = get_process("extract")
    inputs = process.inputs_for(EVERYONE)
    assert "field 7" not in json.dumps(inputs)
    check_process_schema(
        "process",
        {"id": "extract", "version": "1", "inputs": dict(inputs), "outputs": dict(process.outputs)},
    )
