"""Errors: what they say, and that they survive the way from worker to caller."""

from __future__ import annotations

import pickle

import pytest

from marinemap.errors import (
    DatasetError,
    MarineMapError,
    RequestError,
    ServiceError,
    did_you_mean,
    quote,
)
from marinemap.jobs.runs import JobStoppedError
from marinemap.processes.registry import NoSuchProcessError


@pytest.mark.parametrize(
    "kind",
    [RequestError, DatasetError, ServiceError, NoSuchProcessError, JobStoppedError],
)
def test_error_survives_pickling(kind: type[MarineMapError]) -> None:
    error = kind("too deep", field="area", value=[1, "x" * 500], hint="Go up.")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert vars(again) == vars(error)
    assert str(again) == "area: too deep"


def test_error_without_a_field_is_its_message() -> None:
    error = RequestError("too deep")
    assert str(error) == "too deep"
    assert (error.field, error.value, error.hint) == (None, None, None)


def test_value_cannot_forge_a_second_line() -> None:
    assert quote("a\nERROR forged\x1b[31m\0\u2028") == "a\\nERROR forged\\x1b[31m\\x00\\u2028"


@pytest.mark.parametrize("value", ["x" * 10_000, list(range(10_000)), {"a": "é" * 200}, b"x" * 99])
def test_long_value_is_quoted_in_short(value: object) -> None:
    assert len(quote(value)) == 80
    assert quote(value).endswith("…")


@pytest.mark.parametrize("value", ["", "Récif 珊瑚", 7, None, 1.5, "x" * 80])
def test_short_value_is_quoted_whole(value: object) -> None:
    assert quote(value) == str(value)


def test_nearest_name_is_offered_only_when_it_is_near() -> None:
    assert did_you_mean("reef", ["reefs", "ports"]) == " Did you mean 'reefs'?"
    assert did_you_mean("whales", ["reefs", "ports"]) == ""
    assert did_you_mean("reefs", []) == ""
