"""Which processes there are, and how their inputs are read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from marinemap.errors import RequestError
from marinemap.extraction import FORMATS
from marinemap.processes import echo, extract
from marinemap.processes.given import unwrap_inputs
from marinemap.processes.process import RunContext
from marinemap.processes.registry import NoSuchProcessError, all_processes, get_process


def test_every_module_with_a_process_is_registered() -> None:
    assert set(all_processes()) == {"extract", "estimate", "echo"}
    assert get_process("echo") is echo.PROCESS


def test_unknown_process_is_answered_with_the_nearest() -> None:
    with pytest.raises(NoSuchProcessError, match=r"Did you mean 'extract'\?") as caught:
        get_process("extrakt")
    assert (caught.value.field, caught.value.value) == ("processID", "extrakt")


@pytest.mark.parametrize("process_id", ["extract", "estimate"])
def test_description_has_what_a_client_needs_to_offer_each_format(process_id: str) -> None:
    described = get_process(process_id).inputs["format"]
    schema = described["schema"]
    told = {choice["enum"][0]: choice for choice in schema["oneOf"]}
    assert list(told) == schema["enum"] == list(FORMATS)
    assert schema["default"] in told
    assert all(choice["title"] and choice["description"] for choice in told.values())
    in_degrees = {each["name"] for each in described["additionalParameters"]["parameters"]}
    assert in_degrees == {"geojson", "kml"}


@pytest.mark.parametrize(
    ("inputs", "plain"),
    [
        ({"message": "a"}, {"message": "a"}),
        ({"message": {"value": "a"}}, {"message": "a"}),
        ({"message": {"value": {"value": "a"}}}, {"message": {"value": "a"}}),
        ({"message": "a", "pause": None}, {"message": "a"}),
        ({"message": {"type": "x", "value": 1}}, {"message": {"type": "x", "value": 1}}),
        ({"message": {"value": "a", "mediaType": "Text/plain; charset=utf-8"}}, {"message": "a"}),
        ({"message": "a", "numbers": [{"value": 1}, 2]}, {"message": "a", "numbers": [1, 2]}),
        (
            {"message": "a", "numbers": [{"value": 1, "unit": "m"}]},
            {"message": "a", "numbers": [{"value": 1, "unit": "m"}]},
        ),
    ],
)
def test_qualified_values_stand_for_what_they_hold(
    inputs: dict[str, Any], plain: dict[str, Any]
) -> None:
    assert unwrap_inputs(echo.PROCESS, inputs) == plain


@pytest.mark.parametrize(
    ("name", "given", "known"),
    [
        ("message", {"mediaType": "text/html"}, "text/plain, application/json"),
        ("text", {"format": {"mediaType": "text/plain"}}, "text/xml, application/json"),
        ("choice", {"mediaType": "application/geo+json"}, "text/plain, application/json"),
        ("extent", {"mediaType": 3}, "application/json"),
    ],
)
def test_value_said_to_be_of_another_kind_is_refused(
    name: str, given: dict[str, Any], known: str
) -> None:
    inputs = {"message": "a", name: {"value": "a", **given}}
    with pytest.raises(RequestError, match=rf"may be {re.escape(known)}$") as caught:
        unwrap_inputs(echo.PROCESS, inputs)
    assert caught.value.field == f"{name}.mediaType"


def test_area_is_taken_as_geojson() -> None:
    area = {"type": "Polygon", "coordinates": []}
    given = {"value": area, "mediaType": "application/geo+json"}
    inputs = {"layers": ["reefs"], "area": given}
    assert unwrap_inputs(extract.PROCESS, inputs)["area"] == area


def test_unknown_input_is_answered_with_the_nearest() -> None:
    with pytest.raises(RequestError, match=r"it has 'message', 'pause'.*'message'\?") as caught:
        unwrap_inputs(echo.PROCESS, {"mesage": "a"})
    assert caught.value.field == "mesage"


@pytest.mark.parametrize("inputs", [{}, {"message": None}, {"pause": 1}])
def test_missing_input_is_named(inputs: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match="missing") as caught:
        unwrap_inputs(echo.PROCESS, inputs)
    assert caught.value.field == "message"


@pytest.mark.parametrize(
    ("inputs", "field"),
    [
        ({"message": 7}, "message"),
        ({"message": None}, "message"),
        ({"message": "a\0b"}, "message"),
        ({"message": "\ud800"}, "message"),
        ({"message": "a", "pause": -1}, "pause"),
        ({"message": "a", "pause": 6}, "pause"),
        ({"message": "a", "pause": 1.5}, "pause"),
        ({"message": "a", "pause": True}, "pause"),
        ({"message": "a", "pause": "1"}, "pause"),
        ({"message": "a", "pause": 10**400}, "pause"),
    ],
)
def test_echo_refuses_what_it_cannot_answer(inputs: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestError) as caught:
        echo.check(inputs)
    assert caught.value.field == field


def test_echo_answers_its_inputs_and_tells_progress_while_it_waits(tmp_path: Path) -> None:
    told: list[float] = []
    context = RunContext(tmp_path, tmp_path / "x", lambda fraction, _: told.append(fraction))
    result = echo.run({"message": "珊瑚", "pause": 1}, context)
    assert result.outputs == {"message": "珊瑚", "pause": 1}
    assert told and told == sorted(told) and 0 <= told[0] <= told[-1] <= 1


def test_echo_stops_when_it_is_told_to(tmp_path: Path) -> None:
    def stop(fraction: float, message: str) -> None:
        raise InterruptedError(message)

    with pytest.raises(InterruptedError):
        echo.run({"message": "a", "pause": 5}, RunContext(tmp_path, tmp_path / "x", stop))
