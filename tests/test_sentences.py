"""Sentences keep what they were made of, on every way that errors take."""

from __future__ import annotations

import ast
import builtins
import json
import pickle
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from marinemap.errors import RequestError, did_you_mean
from marinemap.sentences import Sentence, kept, recalled, retold, say

ROOT = Path(__file__).resolve().parents[1] / "marinemap"
GERMAN = {
    "{count:,} corners of {layer}.{nearest}": "{layer} hat {count:,} Ecken.{nearest}",
    " Did you mean '{name}'?": " Meinten Sie „{name}“?",
    "{part:g} of it": "{part:g} davon",
    "as {it} is": "wie {es} ist",
}


def translate(text: str) -> str:
    return GERMAN.get(text, text)


def test_sentence_is_told_anew_with_what_stands_within_it() -> None:
    nearest = did_you_mean("coast", ["coastline"])
    said = say("{count:,} corners of {layer}.{nearest}", count=1234567, layer="x", nearest=nearest)
    assert said == "1,234,567 corners of x. Did you mean 'coastline'?"
    german = "x hat 1.234.567 Ecken. Meinten Sie „coastline“?"
    assert retold(said, translate, ",", ".") == german
    assert retold(say("{part:g} of it", part=0.5), translate, ",", ".") == "0,5 davon"


@pytest.mark.parametrize("value", ["{layer}", "{0}", "}", "{", "%s", "{layer.__class__}", "é\n"])
def test_values_are_never_taken_for_templates(value: str) -> None:
    said = say("{count:,} corners of {layer}.{nearest}", count=1, layer=value, nearest="")
    assert retold(said, translate) == f"{value} hat 1 Ecken."
    assert recalled(json.loads(json.dumps(kept(said)))) == said


def test_sentence_without_values_may_have_braces() -> None:
    said = say('{"inputs": {"mode": "clip"}}')
    assert retold(said, translate) == said == '{"inputs": {"mode": "clip"}}'


def test_error_carries_its_sentences_between_processes_and_in_a_row() -> None:
    inner = say("{part:g} of it", part=0.5)
    error = RequestError(say("layer {layer}: {why}", layer="x", why=inner), hint=say("as is"))
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again.message, Sentence) and isinstance(again.hint, Sentence)
    assert retold(again.message, translate) == "layer x: 0.5 davon"
    made_of = json.loads(json.dumps(kept(error.message)))
    assert retold(recalled(made_of), translate) == "layer x: 0.5 davon"
    # PostgreSQL's JSON has neither NaN nor infinity: the end of a job could not be written.
    assert kept(say("{part:g} of it", part=float("inf"))) is None
    assert kept("plain") is None and retold("plain", translate) == "plain"


# Whoever can act on these is the operator, who reads the log in English.
_FOR_OPERATORS = {"ServiceError", "LockLostError", "MarineMapError", "NotOnInternetError"}
_ROOMS = ("api", "catalogue", "extraction", "jobs", "processes")
# Their errors are told in the shell: commands, and the checks at start-up.
_OF_THE_SHELL = ("extraction/shell/", "/management/", "jobs/checks.py")


@pytest.mark.parametrize("room", _ROOMS)
def test_each_error_that_a_person_reads_is_a_sentence(room: str) -> None:
    """A text put together in place can be told in no other language."""
    plain = [
        f"{file.relative_to(ROOT)}:{text.lineno}"
        for file in sorted((ROOT / room).rglob("*.py"))
        if not any(part in file.as_posix() for part in _OF_THE_SHELL)
        for text in _texts_of_errors(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(text, ast.Constant | ast.JoinedStr | ast.BinOp)
    ]
    assert plain == [], "write say(...)"


def _texts_of_errors(tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        if _is_for_people(node.func.id):
            yield from node.args[:1]
            yield from (each.value for each in node.keywords if each.arg == "hint")


def _is_for_people(name: str) -> bool:
    return name.endswith("Error") and not hasattr(builtins, name) and name not in _FOR_OPERATORS


def test_each_sentence_is_given_the_values_that_it_names() -> None:
    """Said only where something is wrong, one that lacks a value would be a fault by itself."""
    wrong = [
        f"{file.relative_to(ROOT)}:{call.lineno}"
        for file in sorted(ROOT.rglob("*.py"))
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "say"
        if not _is_sound(call)
    ]
    assert wrong == []


def _is_sound(call: ast.Call) -> bool:
    (template,) = call.args
    # Another template is in no catalogue.
    if not isinstance(template, ast.Constant) or not isinstance(template.value, str):
        return False
    given = {each.arg for each in call.keywords}
    parts = string.Formatter().parse(template.value) if given else ()
    return given == {name for _, name, _, _ in parts if name is not None}
