"""A process that could not be served as described is refused when it is built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from marinemap.errors import ServiceError
from marinemap.processes import echo, extract
from marinemap.processes.at_once import run_at_once
from marinemap.processes.process import Process, RunContext, RunResult

TEXT = {"title": "Text", "schema": {"type": "string"}}
ZIP = {
    "title": "Zip",
    "schema": {
        "type": "string",
        "contentEncoding": "binary",
        "contentMediaType": "application/zip",
    },
}
ODD = {"title": "Odd", "schema": {"contentEncoding": "binary", "contentMediaType": "x/unheard-of"}}


def build(answer: RunResult | None = None, **members: Any) -> Process:
    sound: dict[str, Any] = {
        "id": "sound",
        "title": "Sound",
        "description": "Answers.",
        "version": "1.0.0",
        "inputs": {"text": TEXT},
        "outputs": {"text": TEXT},
        "check": dict,
        "run": lambda inputs, context: answer,
    }
    return Process(**(sound | members))


@pytest.mark.parametrize(
    ("members", "what"),
    [
        ({"id": "Not/A name"}, "id is not of lower-case letters"),
        ({"id": ""}, "id is not"),
        ({"outputs": {}}, "outputs are none"),
        ({"outputs": {"text": {"schema": {}}}}, "no 'title' or no 'schema' in 'text'"),
        ({"inputs": {"text": {"title": "Text"}}}, "inputs has no 'title' or no 'schema'"),
        ({"outputs": {"archive": ZIP, "text": TEXT}}, "a file is answered alone"),
        ({"outputs": {"archive": ZIP}, "is_immediate": True}, "made by a job only"),
        ({"outputs": {"archive": ZIP}, "is_short": True}, "to make a file takes disk"),
        ({"outputs": {"odd": ODD}}, "unknown media type, x/unheard-of"),
    ],
)
def test_process_that_cannot_be_served_is_named(members: dict[str, Any], what: str) -> None:
    with pytest.raises(ServiceError, match=what) as caught:
        build(**members)
    assert caught.value.field in members


def test_file_has_the_suffix_of_its_media_type() -> None:
    assert extract.PROCESS.file_suffix == ".zip"
    table = {**ZIP["schema"], "contentMediaType": "text/csv"}
    assert build(outputs={"table": {"title": "Table", "schema": table}}).file_suffix == ".csv"
    assert (echo.PROCESS.file_media_type, echo.PROCESS.file_suffix) == (None, "")


@pytest.mark.parametrize(
    "answer",
    [
        RunResult("Done."),
        RunResult("Done.", outputs={"text": "a", "more": "b"}),
        RunResult("Done.", media_type="application/zip"),
    ],
)
def test_answer_that_is_not_as_described_is_refused(answer: RunResult) -> None:
    process = build(answer, is_immediate=True)
    with pytest.raises(ServiceError, match="but describes"):
        run_at_once(process, {"text": "a"})


def test_immediate_process_may_have_several_outputs(tmp_path: Path) -> None:
    answer = RunResult("Done.", outputs={"one": 1, "two": 2})
    process = build(answer, outputs={"one": TEXT, "two": TEXT}, is_immediate=True)
    assert run_at_once(process, {"text": "a"}) == {"one": 1, "two": 2}
    process.run({}, RunContext(tmp_path, tmp_path / "x", lambda *_: None))
